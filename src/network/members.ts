/**
 * Which address a container has on a network: the one that was asked for, or the lowest that nobody has. To be called
 * inside the transaction that records it, or before, to see what it would be.
 */
import type { Database } from "bun:sqlite";
import { TspodError } from "../errors.ts";
import type { NetworkUse } from "../spec/index.ts";
import {
  listMembers,
  listNetworkUsers,
  type MemberRecord,
  type NetworkRecord,
  type SubnetRecord,
} from "../store/networks.ts";
import { contains, formatIp, parseCidr, parseIp, type Subnet } from "./ip.ts";
import { isHost } from "./subnets.ts";

/** What a network's process has room for, beside the names that every container has. */
const aliasesMax = 60;

export interface Membership {
  network: NetworkRecord;
  member: MemberRecord;
}

/** `interfaces`: those that the container has already. Errors: usage, network.address_in_use, network.no_address. */
export function chooseMember(
  database: Database,
  network: NetworkRecord,
  use: NetworkUse,
  { containerId, interfaces }: { containerId: string; interfaces: readonly string[] },
): MemberRecord {
  const others = listMembers(database, network.id).filter(
    (other) => other.containerId !== containerId,
  );
  const name = (id: string): string =>
    listNetworkUsers(database, network.id).find((user) => user.id === id)?.name ?? id;
  const taken = (what: string, has: (other: MemberRecord) => boolean): void => {
    const holder = others.find(has);
    if (holder === undefined) return;
    throw new TspodError(
      "network.address_in_use",
      `Cannot use ${what} on network "${network.name}": container "${name(holder.containerId)}" has it`,
      { next: "give another one, or leave it away: a free one is found" },
    );
  };
  if (use.aliases.length > aliasesMax) {
    throw new TspodError("usage", `A container can have ${aliasesMax} aliases on a network`, {
      next: "leave some of them away",
    });
  }
  const mac = use.mac ?? macOf(containerId, network.id);
  if (use.mac !== null) taken(mac, (other) => other.mac === mac);
  if (use.address4 !== null) taken(use.address4, (other) => other.address4 === use.address4);
  if (use.address6 !== null) taken(use.address6, (other) => other.address6 === use.address6);
  if (use.address6 !== null && network.subnet6 === null) {
    throw new TspodError(
      "usage",
      `Cannot use ${use.address6}: network "${network.name}" has no IPv6`,
      { next: "create it with --ipv6, or leave the address away" },
    );
  }
  const addresses = (of: "address4" | "address6") => new Set(others.map((other) => other[of]));
  return {
    containerId,
    networkId: network.id,
    interface: interfaceOf(use, interfaces),
    address4: addressIn(network, network.subnet4, use.address4, addresses("address4")),
    address6:
      network.subnet6 === null
        ? null
        : addressIn(network, network.subnet6, use.address6, addresses("address6")),
    mac,
    aliases: use.aliases,
  };
}

/** Locally administered; the same for one container on one network, and another one on each. */
function macOf(containerId: string, networkId: string): string {
  const [one, other] = [containerId, networkId].map((id) => Buffer.from(id.slice(0, 10), "hex"));
  const bytes = [...(one ?? [])].map((byte, index) => byte ^ (other?.[index] ?? 0));
  return ["02", ...bytes.map((byte) => byte.toString(16).padStart(2, "0"))].join(":");
}

function interfaceOf({ interface: asked }: NetworkUse, present: readonly string[]): string {
  if (asked !== null && !present.includes(asked)) return asked;
  if (asked !== null) {
    throw new TspodError("usage", `It has an interface "${asked}" already`, {
      next: "give another interface_name=",
    });
  }
  for (let number = 0; ; number++) if (!present.includes(`eth${number}`)) return `eth${number}`;
}

function addressIn(
  { name }: NetworkRecord,
  record: SubnetRecord,
  asked: string | null,
  taken: ReadonlySet<string | null>,
): string {
  const subnet = parseCidr(record.subnet) as Subnet; // createNetwork() made it
  if (asked !== null) return requireFits(name, record, subnet, asked);
  const bound = (text: string): bigint => parseIp(text)?.value ?? 0n; // likewise
  const first = record.range === null ? subnet.base + 1n : bound(record.range.first);
  const { family } = subnet;
  for (let value = first; ; value++) {
    const text = formatIp({ family, value });
    if (!isHost(subnet, value) || (record.range !== null && value > bound(record.range.last)))
      break;
    if (text !== record.gateway && !taken.has(text)) return text;
  }
  throw new TspodError("network.no_address", `Network "${name}" has no free address`, {
    next: `remove containers that nobody needs, or create a larger network: ${record.subnet} is full`,
  });
}

function requireFits(
  name: string,
  { subnet: text, gateway }: SubnetRecord,
  subnet: Subnet,
  asked: string,
): string {
  const address = parseIp(asked);
  const why =
    address === null || !contains(subnet, address)
      ? `it is not in ${text}`
      : asked === gateway
        ? "it is the gateway's"
        : isHost(subnet, address.value)
          ? null
          : "it stands for the whole subnet";
  if (why === null) return asked;
  throw new TspodError("usage", `Cannot use ${asked} on network "${name}": ${why}`, {
    next: `give one of ${text}, or leave it away: a free one is found`,
  });
}
