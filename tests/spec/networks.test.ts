/** What is made of the networks that a container is on: entries of helper.json, hosts, resolv.conf. */
import { describe, expect, test } from "bun:test";
import {
  type CreateOptions,
  networkEntries,
  networkHosts,
  noNetworkOptions,
  type PlacedNetwork,
} from "../../src/spec/index.ts";

const placed = (name: string, more: Partial<PlacedNetwork> = {}): PlacedNetwork => ({
  ...{ id: name.repeat(8), name, socket: `/run/${name}/net.sock`, interface: "eth0" },
  ...{ mac: "02:00:00:00:00:01", address4: "10.89.0.2/24", gateway4: "10.89.0.1" },
  ...{ address6: null, gateway6: null, isInternal: false, hasNames: true },
  ...{ hasDefaultRoute: true, servers: [], mtu: null, aliases: [] },
  ...more,
});
const port = {
  protocol: "tcp",
  hostAddress: "0.0.0.0",
  hostPort: 8080,
  containerPort: 80,
} as const;

function entries(networks: PlacedNetwork[], more: Partial<CreateOptions> = {}, hasTun = true) {
  const options = { network: { networks: [] }, hostname: null, runtime: null, ...more };
  const host = { network: () => ({ hasTun, hasIpv6: true }) };
  const place = { id: "ab".repeat(32), name: "web", containerDir: "/c", networks };
  return networkEntries(options, host, place);
}

test("an entry says all that a monitor has to know", () => {
  const network = placed("net", { address6: "fd12::2/64", gateway6: "fd12::1", aliases: ["www"] });
  const networking = { ...noNetworkOptions, ports: [{ ...port, count: 1 }] };
  expect(entries([network], { networking, hostname: "h" })).toMatchInlineSnapshot(`
    [
      {
        "address4": "10.89.0.2/24",
        "address6": "fd12::2/64",
        "dns4": "10.89.0.1",
        "dns6": "fd12::1",
        "egress": null,
        "gateway4": "10.89.0.1",
        "gateway6": "fd12::1",
        "hostLoopback": false,
        "hosts": [
          {
            "address": "10.89.0.1",
            "name": "host.containers.internal",
          },
          {
            "address": "10.89.0.1",
            "name": "host.docker.internal",
          },
        ],
        "id": "netnetnetnetnetnetnetnet",
        "interface": "eth0",
        "internal": false,
        "isDefaultRoute": true,
        "mac": "02:00:00:00:00:01",
        "member": "abababababababababababababababababababababababababababababababab",
        "mtu": 65520,
        "names": [
          "web",
          "www",
          "abababababab",
          "h",
        ],
        "network": "net",
        "ports": [
          {
            "containerPort": 80,
            "count": 1,
            "hostAddress": "0.0.0.0",
            "hostPort": 8080,
            "protocol": "tcp",
          },
        ],
        "resolv": "/etc/resolv.conf",
        "servers": [],
        "socket": "/run/net/net.sock",
      },
    ]
  `);
});

describe("of several networks", () => {
  const inside = placed("in", { isInternal: true, interface: "eth0", address4: "10.1.0.2/24" });
  const outside = placed("out", { interface: "eth1" });
  const networking = { ...noNetworkOptions, ports: [{ ...port, count: 1 }] };

  test("the first that leads out has the way out, the ports and the name server", () => {
    const [first, second] = entries([inside, outside], { networking }) ?? [];
    expect(first).toMatchObject({ network: "out", isDefaultRoute: true, internal: false });
    expect(first?.ports).toHaveLength(1);
    expect(second).toMatchObject({ network: "in", isDefaultRoute: false, internal: true });
    expect(second).toMatchObject({ ports: [], hosts: [], egress: null, hostLoopback: false });
  });

  test("/etc/hosts has a line for each, and one for the host where something leads out", () => {
    const named = { hostname: "h", name: "web" };
    expect(networkHosts(entries([inside, outside]) ?? [], named)).toEqual({
      own: ["10.89.0.2\th web abababababab", "10.1.0.2\th web abababababab"],
      outside: ["10.89.0.1\thost.containers.internal host.docker.internal"],
    });
    expect(networkHosts(entries([inside]) ?? [], named).outside).toEqual([]);
    const both = placed("both", { address6: "fd12::2/64", gateway6: "fd12::1" });
    expect(networkHosts(entries([both]) ?? [], named).own).toEqual([
      "10.89.0.2\th web abababababab",
      "fd12::2\th web abababababab",
    ]);
    expect(networkHosts([], named)).toEqual({ own: ["127.0.0.1\th web"], outside: [] });
  });

  test("without a default route none has it", () => {
    const plain = placed("plain", { hasDefaultRoute: false });
    expect(entries([plain])).toMatchObject([{ isDefaultRoute: false }]);
    expect(entries([plain, outside])?.[0]).toMatchObject({ network: "out", isDefaultRoute: true });
  });
});

test("beside a private network none is the way out, nor has the ports", () => {
  const network = { networks: [], isPrivateToo: true as const };
  expect(entries([placed("net")], { network })).toMatchObject([
    { network: "net", isDefaultRoute: false, ports: [] },
  ]);
});

test("nothing is made where no network can be, and on none it is an empty list", () => {
  expect(entries([placed("net")], {}, false)).toBeUndefined();
  expect(entries([placed("net")], { network: "private" })).toBeUndefined();
  expect(entries([])).toEqual([]);
});

test("what is asked goes before what the network has", () => {
  const details = { resolver: { servers: ["192.0.2.1"], searches: [], options: [] } };
  const network = placed("net", { servers: ["192.0.2.2"], mtu: 1500, hasNames: false });
  expect(entries([network])).toMatchObject([{ servers: ["192.0.2.2"], mtu: 1500, names: [] }]);
  const asked = { details: details as never, networking: { ...noNetworkOptions, mtu: 1400 } };
  expect(entries([network], asked)).toMatchObject([{ servers: ["192.0.2.1"], mtu: 1400 }]);
});
