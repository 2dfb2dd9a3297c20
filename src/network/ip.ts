/** IP addresses and subnets as numbers. Pure. */
import { isIPv4, isIPv6 } from "node:net";

export type Family = 4 | 6;

export interface Address {
  family: Family;
  value: bigint;
}

export interface Subnet {
  family: Family;
  /** Its first address: all bits of hosts are 0. */
  base: bigint;
  bits: number;
}

export const widthOf = (family: Family): number => (family === 4 ? 32 : 128);

/** Null: it is none; one of a single link ("fe80::1%eth0") is none either. */
export function parseIp(text: string): Address | null {
  if (isIPv4(text)) return { family: 4, value: fromParts(text.split(".").map(Number), 8) };
  if (!isIPv6(text) || text.includes("%")) return null;
  const canonical = new URL(`http://[${text}]`).hostname.slice(1, -1);
  const [head = "", tail] = canonical.split("::");
  const groups = (part: string): string[] => part.split(":").filter(Boolean);
  const [before, after] = [groups(head), groups(tail ?? "")];
  const zeros = Array<string>(8 - before.length - after.length).fill("0");
  const all = [...before, ...zeros, ...after].map((group) => Number.parseInt(group, 16));
  return { family: 6, value: fromParts(all, 16) };
}

function fromParts(parts: readonly number[], bits: number): bigint {
  return parts.reduce((sum, part) => (sum << BigInt(bits)) | BigInt(part), 0n);
}

/** IPv6 in its shortest form (RFC 5952). */
export function formatIp({ family, value }: Address): string {
  const bits = family === 4 ? 8 : 16;
  const mask = (1n << BigInt(bits)) - 1n;
  const count = widthOf(family) / bits;
  const parts = Array.from(
    { length: count },
    (_, index) => (value >> BigInt(bits * (count - 1 - index))) & mask,
  );
  if (family === 4) return parts.join(".");
  const text = parts.map((part) => part.toString(16)).join(":");
  return new URL(`http://[${text}]`).hostname.slice(1, -1);
}

/** "10.89.0.0/24"; bits of hosts are dropped, as podman does. Null: it is none. */
export function parseCidr(text: string): Subnet | null {
  const [, ip = "", length = ""] = /^([^/]+)\/(\d{1,3})$/.exec(text) ?? [];
  const address = parseIp(ip);
  if (address === null) return null;
  const { family, value } = address;
  const bits = Number(length);
  return bits > widthOf(family) ? null : subnetOf(family, value, bits);
}

export function subnetOf(family: Family, value: bigint, bits: number): Subnet {
  const rest = BigInt(widthOf(family) - bits);
  return { family, base: (value >> rest) << rest, bits };
}

export function formatCidr({ family, base, bits }: Subnet): string {
  return `${formatIp({ family, value: base })}/${bits}`;
}

/** Its last address. */
export function lastOf({ family, base, bits }: Subnet): bigint {
  return base + (1n << BigInt(widthOf(family) - bits)) - 1n;
}

export function contains(subnet: Subnet, { family, value }: Address): boolean {
  return family === subnet.family && value >= subnet.base && value <= lastOf(subnet);
}

export function overlap(one: Subnet, other: Subnet): boolean {
  return one.family === other.family && one.base <= lastOf(other) && other.base <= lastOf(one);
}
