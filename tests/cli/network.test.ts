/** --network, -p and their kind together: what becomes of them, and what excludes each other. */
import { describe, expect, test } from "bun:test";
import { parseNamespaces } from "../../src/cli/options/namespace-values.ts";
import type { NamespaceFlags } from "../../src/cli/options/namespaces.ts";
import { parseNetworkFlags } from "../../src/cli/options/network-values.ts";
import {
  type NetworkContext,
  type NetworkFlags,
  networkOptions,
} from "../../src/cli/options/network.ts";
import { noNetworkOptions } from "../../src/spec/index.ts";

type Flags = NetworkFlags & NetworkContext;

const none: Flags = {
  ...{ network: [], publish: [], publishAll: false, ip: null, ip6: null, macAddress: null },
  ...{ networkAlias: [], egress: [], dns: [], dnsSearch: [], dnsOption: [], addHost: [] },
  ...{ expose: [], userns: null },
};
const parse = (flags: Partial<Flags>, namespaces?: Partial<NamespaceFlags>) =>
  parseNetworkFlags(
    { ...none, ...flags },
    namespaces === undefined
      ? undefined
      : parseNamespaces({
          ...{ userns: null, uidmap: [], gidmap: [], subuidname: null, subgidname: null },
          ...{ pid: null, ipc: null, uts: null, cgroupns: null },
          ...namespaces,
        }),
  );

test("nothing asked is nothing recorded", async () => {
  expect(await networkOptions(none, {})).toEqual({ network: "private" });
  expect(parse({ network: ["host"] })).toEqual({ network: "host" });
  expect(parse({ network: ["bridge"] })).toEqual({ network: "private" });
});

test("what is asked is recorded as data", () => {
  const flags = { publish: ["8080:80"], publishAll: true, ip: "10.0.2.9", networkAlias: ["web"] };
  const port = { protocol: "tcp", hostAddress: "", hostPort: 8080, containerPort: 80, count: 1 };
  expect(parse(flags)).toEqual({
    network: "private",
    networking: {
      ...noNetworkOptions,
      ...{ ports: [port as never], publishesAll: true, address4: "10.0.2.9", aliases: ["web"] },
    },
  });
  expect(
    parse({ network: ["private:ip=10.0.2.8,alias=a"], networkAlias: ["b"] }).networking,
  ).toMatchObject({
    ...{ address4: "10.0.2.8", aliases: ["a", "b"] },
  });
});

describe("networks that were created", () => {
  const use = { aliases: [], address4: null, address6: null, mac: null, interface: null };
  const networks = (...network: string[]) => parse({ network }).network;

  test.each<[string[], object[]]>([
    [["a"], [{ name: "a" }]],
    [
      ["a,b", "c"],
      [{ name: "a" }, { name: "b" }, { name: "c" }],
    ],
    [
      ["a:ip=10.89.0.9,ip6=FD00::0:9,mac=02-00-00-00-00-01,alias=x,alias=y,interface_name=lan"],
      [
        {
          ...{ name: "a", address4: "10.89.0.9", address6: "fd00::9", mac: "02:00:00:00:00:01" },
          ...{ aliases: ["x", "y"], interface: "lan" },
        },
      ],
    ],
    [
      ["name=a,alias=x,ip=10.1.1.1", "b:ip=fd00::1"],
      [
        { name: "a", aliases: ["x"], address4: "10.1.1.1" },
        { name: "b", address6: "fd00::1" },
      ],
    ],
  ])("%p", (words, expected) => {
    expect(networks(...words)).toEqual({
      networks: expected.map((one) => ({ ...use, ...one })) as never,
    });
  });

  test("aliases are for all of them, an address is for one", () => {
    expect(parse({ network: ["a:alias=x", "b"], networkAlias: ["y", "x"] }).network).toMatchObject({
      networks: [{ aliases: ["x", "y"] }, { aliases: ["y", "x"] }],
    });
    expect(parse({ network: ["a"], ip: "10.1.1.1", ip6: "fd00::1" }).network).toMatchObject({
      networks: [{ address4: "10.1.1.1", address6: "fd00::1" }],
    });
    expect(
      parse({ network: ["a:mtu=1500,host-loopback"], publish: ["80:80"] }).networking,
    ).toMatchObject({ mtu: 1500, reachesHostLoopback: true, ports: [{ containerPort: 80 }] });
  });

  test.each<[Partial<Flags>, string]>([
    [{ network: ["a", "host"] }, "Cannot combine --network=a with --network=host"],
    [{ network: ["none", "a"] }, "Cannot combine --network=none with --network=a"],
    [{ network: ["none", "none"] }, "Cannot combine --network=none with --network=none"],
    [{ network: ["a", "b"], ip: "10.1.1.1" }, "Cannot combine --ip with several networks"],
    [{ network: ["a", "b"], macAddress: "02::" }, "Cannot combine --mac-address with several"],
    [{ network: ["a"], ip: "fd00::1" }, 'Invalid --ip "fd00::1": it is no IPv4 address'],
    [{ network: ["a"], ip6: "10.1.1.1" }, 'Invalid --ip6 "10.1.1.1": it is no IPv6 address'],
    [{ network: ["a:ip=x"] }, 'Invalid --network ip "x": it is no address'],
    [{ network: ["a:mac=x"] }, 'Invalid --network mac "x"'],
    [{ network: ["a:alias=a b"] }, "it is no host name"],
    [{ network: ["a,host"] }, "Cannot combine --network=a with --network=host"],
    [{ network: ["a,,b"] }, 'Invalid --network ""'],
  ])("%p is refused", (flags, message) => {
    expect(() => parse(flags)).toThrow(message);
  });
});

test.each(["host", "none", "container:web", "ns:/proc/1/ns/net"])(
  "with --network %s no port is published, and that is said",
  (network) => {
    for (const flags of [{ publish: ["80:80"] }, { publishAll: true }]) {
      const { networking } = parse({ network: [network], ...flags });
      expect(networking).toMatchObject({ ports: [], publishesAll: false });
      expect(networking?.warnings.join()).toStartWith(
        `No port is published with --network=${network}`,
      );
    }
  },
);

describe("what excludes each other is said in one sentence", () => {
  test.each<[Partial<Flags>, string]>([
    [{ network: ["host"], ip: "10.0.2.7" }, "Cannot combine --ip with --network=host"],
    [{ network: ["none"], ip6: "fd00::7" }, "Cannot combine --ip6 with --network=none"],
    [
      { network: ["container:a"], macAddress: "02:00:00:00:00:01" },
      "Cannot combine --mac-address with",
    ],
    [
      { network: ["ns:/x"], networkAlias: ["a"] },
      "Cannot combine --network-alias with --network=ns:/x",
    ],
    [{ network: ["pasta"], egress: ["none"] }, "Cannot combine --egress with --network=pasta"],
    [{ network: ["container:a"], dns: ["192.0.2.1"] }, "Cannot combine --dns with"],
    [{ network: ["container:a"], addHost: ["a:192.0.2.1"] }, "Cannot combine --add-host with"],
  ])("%p", (flags, message) => {
    expect(() => parse(flags)).toThrow(message);
  });

  test.each<[Partial<NamespaceFlags>, string]>([
    [{ pid: "container:b" }, "Cannot combine --pid=container:b with --network=container:a"],
    [{ uidmap: ["0:0:1"] }, "Cannot combine an id map with --network=container:a"],
  ])("--network container:a and %p", (namespaces, message) => {
    expect(() => parse({ network: ["container:a"] }, namespaces)).toThrow(message);
  });

  test("the same container's namespaces go together", () => {
    const { network } = parse({ network: ["container:a"] }, { pid: "container:a" });
    expect(network).toEqual({ container: "a" });
  });
});
