/** Nonsense instead of networks, subnets and filters: it means something, or it is refused in a sentence; nothing else. */
import { expect, test } from "bun:test";
import { parseNetworkFlags } from "../../src/cli/network/values.ts";
import { TspodError } from "../../src/errors.ts";
import { parseNetworkModes } from "../../src/network/index.ts";
import { formatCidr, formatIp, parseCidr, parseIp } from "../../src/network/ip.ts";
import { networkPruneFilter } from "../../src/network/records.ts";
import { chance, mutate } from "../support/fuzz.ts";
import { random } from "../support/random.ts";

const countEach = 500;

const none = {
  ...{ subnet: [], gateway: [], ipRange: [], ipv6: false, internal: false, disableDns: false },
  ...{ dns: [], opt: [], interfaceName: null },
};

const parsers: Record<string, { words: string[]; parse: (text: string) => unknown }> = {
  "--network": {
    words: [
      ...["net:ip=10.89.0.9,alias=db,mac=02:00:00:00:00:01", "name=net,ip=fd00::1", "a,b,c"],
      ...["private:mtu=1500", "container:web", "ns:/proc/1/ns/net", "net:interface_name=eth7"],
    ],
    parse: (text) => parseNetworkModes([text]),
  },
  "--subnet": {
    words: ["10.89.7.0/24", "fd12:3456::/64"],
    parse: (text) => parseNetworkFlags({ ...none, subnet: [text] }),
  },
  "--gateway": {
    words: ["10.89.7.1", "10.89.255.254"],
    parse: (text) => parseNetworkFlags({ ...none, subnet: ["10.89.0.0/16"], gateway: [text] }),
  },
  "--ip-range": {
    words: ["10.89.7.0/25", "10.89.7.3-10.89.7.9"],
    parse: (text) => parseNetworkFlags({ ...none, subnet: ["10.89.0.0/16"], ipRange: [text] }),
  },
  "-o": {
    words: ["mtu=1500", "isolate=true", "com.docker.network.bridge.name=br0"],
    parse: (text) => parseNetworkFlags({ ...none, opt: [text] }),
  },
  "--filter": {
    words: ["label=a=b", "label!=a", "until=10m"],
    parse: (text) => networkPruneFilter([text]),
  },
};

test.each(Object.entries(parsers))("%s", (_, { words, parse }) => {
  const { seed } = random();
  const luck = chance(seed);
  for (let trial = 0; trial < countEach; trial++) {
    const text = mutate(luck.pick(words), luck);
    try {
      parse(text);
    } catch (error) {
      if (error instanceof TspodError) continue;
      throw new Error(`seed ${seed}: ${JSON.stringify(text)}`, { cause: error });
    }
  }
});

test("what is an address or a subnet is written as it is read", () => {
  const { seed } = random();
  const luck = chance(seed);
  for (let trial = 0; trial < countEach; trial++) {
    const text = mutate(luck.pick(["10.89.0.1", "fd12:0:0:1::1", "::ffff:10.0.0.1"]), luck);
    const address = parseIp(text);
    if (address !== null) expect(parseIp(formatIp(address))).toEqual(address);
    const subnet = parseCidr(`${text}/${luck.below(140)}`);
    if (subnet !== null) expect(parseCidr(formatCidr(subnet))).toEqual(subnet);
  }
});
