/**
 * Which subnets a new network has: those that were asked for, when they can be had, or free ones, as podman chooses them.
 * Pure but for the randomness of an IPv6 prefix.
 */
import { TspodError } from "../errors.ts";
import type { SubnetRecord } from "../store/networks.ts";
import {
  contains,
  type Family,
  formatCidr,
  formatIp,
  lastOf,
  overlap,
  parseCidr,
  parseIp,
  type Subnet,
  subnetOf,
  widthOf,
} from "./ip.ts";

export interface AskedSubnets {
  /** Null: none was asked for. */
  subnet4: SubnetRecord | null;
  subnet6: SubnetRecord | null;
}

/** Who has a subnet already: a sentence's subject. */
export interface TakenSubnet {
  subnet: Subnet;
  owner: string;
}

function refuse(flag: string, text: string, why: string, next: string): TspodError {
  return new TspodError("usage", `Invalid ${flag} "${text}": ${why}`, { next });
}

/** `--subnet`, `--gateway`, `--ip-range`: one subnet of each kind at most; the others belong to the one they lie in. Throws usage. */
export function parseSubnets(flags: {
  subnet: readonly string[];
  gateway: readonly string[];
  ipRange: readonly string[];
}): AskedSubnets {
  const asked: AskedSubnets = { subnet4: null, subnet6: null };
  const subnets = flags.subnet.map(parseSubnet);
  for (const subnet of subnets) {
    const key = keyOf(subnet);
    if (asked[key] !== null) {
      throw new TspodError(
        "usage",
        `A network has one IPv${subnet.family} subnet: ${asked[key].subnet} or ${formatCidr(subnet)}`,
        { next: "leave one of them away, or create two networks" },
      );
    }
    asked[key] = withDefaults(subnet);
  }
  const owner = (flag: string, text: string, value: bigint, family: Family): SubnetRecord => {
    const subnet = subnets.find((one) => contains(one, { family, value }));
    const record = subnet === undefined ? null : asked[keyOf(subnet)];
    if (record !== null) return record;
    const next = flags.subnet.length === 0 ? "say which: --subnet" : "give one that is in it";
    throw refuse(flag, text, `it is in no subnet of this network`, next);
  };
  for (const text of flags.ipRange) {
    const range = parseRange(text);
    const record = owner("--ip-range", text, range.first, range.family);
    record.range = within(text, range, parseCidr(record.subnet) as Subnet); // we made it
  }
  for (const text of flags.gateway) {
    const address = parseIp(text);
    if (address === null) throw refuse("--gateway", text, "it is no address", "give one");
    const record = owner("--gateway", text, address.value, address.family);
    if (!isHost(parseCidr(record.subnet) as Subnet, address.value)) {
      throw refuse("--gateway", text, "it stands for the whole subnet", "give another address");
    }
    record.gateway = formatIp(address);
  }
  return asked;
}

const keyOf = ({ family }: { family: Family }): "subnet4" | "subnet6" =>
  family === 4 ? "subnet4" : "subnet6";

/** Where no network can be: this host, loopback, a single link, multicast. */
const unusable = [
  ...["0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3"],
  ...["::/16", "fe80::/10", "ff00::/8"],
].map((text) => parseCidr(text) as Subnet); // each is one

/** The gateway and one container have to fit in. */
const bitsRange = { 4: [8, 30], 6: [8, 126] } as const;

function parseSubnet(text: string): Subnet {
  const subnet = parseCidr(text);
  if (subnet === null) {
    throw refuse("--subnet", text, "it is no subnet", "use e.g. 10.89.7.0/24 or fd12::/64");
  }
  const [min, max] = bitsRange[subnet.family];
  if (subnet.bits < min || subnet.bits > max) {
    throw refuse("--subnet", text, `a network has /${min} to /${max}`, "give another length");
  }
  if (unusable.some((one) => overlap(one, subnet))) {
    throw refuse("--subnet", text, "no network can be there", "use e.g. 10.89.7.0/24");
  }
  return subnet;
}

export function withDefaults(subnet: Subnet): SubnetRecord {
  const { family, base } = subnet;
  return {
    subnet: formatCidr(subnet),
    gateway: formatIp({ family, value: base + 1n }),
    range: null,
  };
}

/** Neither the first, which is the network's own, nor (IPv4) the last, which is everybody's. */
export function isHost(subnet: Subnet, value: bigint): boolean {
  const last = lastOf(subnet) - (subnet.family === 4 ? 1n : 0n);
  return value > subnet.base && value <= last;
}

interface Range {
  family: Family;
  first: bigint;
  last: bigint;
}

/** A subnet of the subnet, as docker's; "FIRST-LAST", as podman's. */
function parseRange(text: string): Range {
  const subnet = parseCidr(text);
  if (subnet !== null) return { family: subnet.family, first: subnet.base, last: lastOf(subnet) };
  const [first, last, extra] = text.split("-").map(parseIp);
  if (first && last && extra === undefined && first.family === last.family) {
    if (first.value <= last.value) {
      return { family: first.family, first: first.value, last: last.value };
    }
    throw refuse("--ip-range", text, "it runs backwards", "give the lower address first");
  }
  throw refuse("--ip-range", text, "it is no range", "use e.g. 10.89.7.128/25 or FIRST-LAST");
}

function within(text: string, { family, first, last }: Range, subnet: Subnet) {
  if (!contains(subnet, { family, value: last })) {
    throw refuse("--ip-range", text, `it is not in ${formatCidr(subnet)}`, "give one that is");
  }
  const low = isHost(subnet, first) ? first : first + 1n;
  const high = isHost(subnet, last) ? last : last - 1n;
  if (low > high) throw refuse("--ip-range", text, "no address is in it", "give a larger one");
  return {
    first: formatIp({ family, value: low }),
    last: formatIp({ family, value: high }),
    asked: text,
  };
}

/** Throws usage: somebody has it. */
export function refuseTaken({ subnet: text }: SubnetRecord, taken: readonly TakenSubnet[]): void {
  const subnet = parseCidr(text) as Subnet; // parseSubnets() made it
  const rival = taken.find((one) => overlap(one.subnet, subnet));
  if (rival === undefined) return;
  throw new TspodError(
    "network.no_subnet",
    `Cannot use --subnet ${text}: ${rival.owner} has ${formatCidr(rival.subnet)}`,
    { next: "give another one, or leave it away: a free one is found" },
  );
}

/**
 * All are /24. The first is podman's default_subnet_pools; a host that has all of 10.0.0.0/8 (companies route it) is not
 * without networks for that.
 */
const pools = [
  ["10.89.0.0/24", "10.255.255.0/24"],
  ["172.20.0.0/24", "172.31.255.0/24"],
  ["192.168.128.0/24", "192.168.255.0/24"],
] as const;
const poolStep = 256n;

/** The first that nobody has. Errors: network.no_subnet. */
export function freeSubnet4(taken: readonly TakenSubnet[]): SubnetRecord {
  for (const [first, last] of pools) {
    const found = freeBetween(first, last, taken);
    if (found !== null) return withDefaults(found);
  }
  throw new TspodError(
    "network.no_subnet",
    `There is no free subnet from ${pools.map((ends) => ends.join(" to ")).join(", ")}`,
    { next: "give one: --subnet, or remove networks that nobody needs: tspod network prune" },
  );
}

function freeBetween(from: string, to: string, taken: readonly TakenSubnet[]): Subnet | null {
  const first = (parseCidr(from) as Subnet).base;
  const last = (parseCidr(to) as Subnet).base;
  const bits = 24;
  for (let base = first; base <= last; base += poolStep) {
    const subnet: Subnet = { family: 4, base, bits };
    const rival = taken.find((one) => overlap(one.subnet, subnet));
    if (rival === undefined) return subnet;
    // what is large is passed over at once
    if (rival.subnet.bits < bits) base = lastOf(rival.subnet) + 1n - poolStep;
  }
  return null;
}

/** A unique local prefix (RFC 4193): 40 random bits and a random subnet. */
export function freeSubnet6(taken: readonly TakenSubnet[]): SubnetRecord {
  const bits = 64;
  for (;;) {
    const random = crypto.getRandomValues(new Uint8Array(7));
    const prefix = [0xfd, ...random].reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
    const subnet = subnetOf(6, prefix << BigInt(widthOf(6) - bits), bits);
    if (!taken.some((one) => overlap(one.subnet, subnet))) return withDefaults(subnet);
  }
}
