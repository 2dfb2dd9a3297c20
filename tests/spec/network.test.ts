/** What a container's network makes of config.json, helper.json and the small files in /etc. */
import { describe, expect, test } from "bun:test";
import { defaultDetails, noNetworkOptions, type SpecHost } from "../../src/spec/index.ts";
import { build } from "./build-fixture.ts";

const machine = (hasTun: boolean, hasIpv6: boolean): Partial<SpecHost> => ({
  network: () => ({ hasTun, hasIpv6 }),
  resolvConf: "search example.org lan\nnameserver 127.0.0.53\noptions edns0 trust-ad\n",
});
const published = { protocol: "tcp", hostAddress: "0.0.0.0", count: 1 } as const;
const ports = [{ ...published, hostPort: 8080, containerPort: 80 }];

describe("private", () => {
  test("has the addresses that every one has", () => {
    expect(build().helper.network).toMatchInlineSnapshot(`
      {
        "address4": "10.0.2.100/24",
        "address6": "fd00::100/64",
        "dns4": "10.0.2.3",
        "dns6": "fd00::3",
        "egress": null,
        "gateway4": "10.0.2.2",
        "gateway6": "fd00::2",
        "hostLoopback": false,
        "interface": "eth0",
        "mac": "02:01:23:45:67:89",
        "mode": "private",
        "mtu": 65520,
        "names": [
          {
            "address": "10.0.2.2",
            "name": "host.containers.internal",
          },
          {
            "address": "10.0.2.2",
            "name": "host.docker.internal",
          },
        ],
        "ports": [],
        "resolv": "/etc/resolv.conf",
        "servers": [],
        "socket": "/r/c/net.sock",
      }
    `);
  });

  test("takes what was asked for", () => {
    const networking = {
      ...noNetworkOptions,
      ...{ ports, address4: "10.0.2.7", address6: "fd00::7", mac: "02:00:00:00:00:07", mtu: 1500 },
      ...{ reachesHostLoopback: true },
      egress: { isLogged: true, allow: [{ name: "example.org", port: 443 }] },
    };
    const resolver = { servers: ["192.0.2.53"], searches: [], options: [] };
    const details = { ...defaultDetails, resolver };
    expect(build({ networking, details }).helper.network).toMatchObject({
      ...{ address4: "10.0.2.7/24", address6: "fd00::7/64", mac: "02:00:00:00:00:07", mtu: 1500 },
      ...{ hostLoopback: true, ports, servers: ["192.0.2.53"] },
      egress: { log: "/d/containers/c/egress.log", allow: [{ name: "example.org", port: 443 }] },
    });
  });

  test("lets the host's names out by the gateway's address", () => {
    const allow = [{ name: "host.containers.internal", port: 80 }];
    const networking = { ...noNetworkOptions, egress: { isLogged: false, allow } };
    expect(build({ networking }).helper.network?.egress).toEqual({
      log: null,
      allow: [...allow, { cidr: "10.0.2.2/32", port: 80 }],
    });
  });

  test("without IPv6 on the host there is none inside, and none can be asked for", () => {
    const { helper } = build({}, {}, machine(true, false));
    expect(helper.network).toMatchObject({ address6: null, gateway6: null, dns6: null });
    const networking = { ...noNetworkOptions, address6: "fd00::7" };
    expect(() => build({ networking }, {}, machine(true, false))).toThrow("this host has no IPv6");
  });

  test("where no TAP can be made there is loopback, and no port can be published", () => {
    const { helper, files } = build({}, {}, machine(false, true));
    expect(helper.network).toBeUndefined();
    expect(files["hosts"]).toEndWith("127.0.0.1\t0123456789ab brave_otter\n");
    expect(files["resolv.conf"]).toStartWith("# ");
    const networking = { ...noNetworkOptions, ports };
    expect(() => build({ networking }, {}, machine(false, true))).toThrow("/dev/net/tun");
  });

  test("names: its own, its aliases', and the host's", () => {
    const addedHosts = [{ name: "gate", address: "host-gateway" }];
    const networking = { ...noNetworkOptions, aliases: ["web", "www"] };
    const { files } = build({
      hostname: "box",
      networking,
      details: { ...defaultDetails, addedHosts },
    });
    expect(files["hosts"]).toBe(
      "10.0.2.2\tgate\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n" +
        "10.0.2.100\tbox brave_otter web www\n" +
        "10.0.2.2\thost.containers.internal host.docker.internal\n",
    );
  });

  test("asks the forwarder, in the host's domains unless others are asked for", () => {
    expect(build({}, {}, machine(true, true)).files["resolv.conf"]).toBe(
      "search example.org lan\nnameserver 10.0.2.3\noptions edns0 trust-ad\n",
    );
    const resolver = { servers: ["192.0.2.53"], searches: ["."], options: ["ndots:2"] };
    const details = { ...defaultDetails, resolver };
    expect(build({ details }, {}, machine(true, true)).files["resolv.conf"]).toBe(
      "nameserver 10.0.2.3\noptions ndots:2\n",
    );
  });
});

describe("others", () => {
  test("have no network process, and names as befits them", () => {
    for (const network of ["host", "none"] as const) {
      expect(build({ network }).helper.network).toBeUndefined();
    }
    expect(build({ network: "none" }).files["resolv.conf"]).toStartWith("# ");
    const addedHosts = [{ name: "gate", address: "host-gateway" }];
    const details = { ...defaultDetails, addedHosts };
    expect(build({ network: "host", details }).files["hosts"]).toStartWith("127.0.0.1\tgate\n");
    expect(() => build({ network: "none", details })).toThrow('Cannot add the host "gate"');
  });

  test("another container's: its namespaces, and its files under the same names", () => {
    const joined = { pid: 42, hostname: "db", files: { hosts: "/d/containers/o/hosts" } };
    const { config, files } = build({ network: { container: "o".repeat(64) } }, {}, {}, { joined });
    const paths = config.linux.namespaces.flatMap(({ type, path }) => (path ? [[type, path]] : []));
    expect(paths).toEqual([
      ["user", "/proc/42/ns/user"],
      ["network", "/proc/42/ns/net"],
    ]);
    expect(Object.keys(files)).toEqual(["hostname"]);
    expect(config.hostname).toBe("db");
    const inEtc = config.mounts.filter(({ destination }) => destination.startsWith("/etc/"));
    expect(inEtc.map(({ destination, source }) => [destination, source])).toEqual([
      ["/etc/hostname", "/d/containers/c/hostname"],
      ["/etc/hosts", "/d/containers/o/hosts"],
    ]);
    expect(config.linux.sysctl).toBeUndefined();
  });

  test("one by its path: that is joined, and named as the host names", () => {
    const { config, files } = build({ network: { path: "/run/netns/x" } });
    expect(config.linux.namespaces).toContainEqual({ type: "network", path: "/run/netns/x" });
    expect(files["resolv.conf"]).toBe("nameserver 192.0.2.1\n");
    expect(config.mounts.find(({ destination }) => destination === "/sys")?.type).toBe("bind");
  });
});
