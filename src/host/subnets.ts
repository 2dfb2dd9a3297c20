/** Which subnets this host is in, or reaches: no new network is to hide one of them. */
import { readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";

/** Where this host has an address or a route, "10.1.0.0/16": what leads everywhere is not among them. */
export function hostSubnets(): string[] {
  const addresses = Object.values(networkInterfaces()).flatMap((all) => all ?? []);
  return [
    ...addresses.flatMap(({ cidr }) => cidr ?? []),
    ...lines("/proc/net/route").slice(1).flatMap(route4),
    ...lines("/proc/net/ipv6_route").flatMap(route6),
  ].filter((text) => !text.endsWith("/0"));
}

function lines(path: string): string[] {
  try {
    return readFileSync(path, "latin1").trim().split("\n");
  } catch {
    return []; // a kernel without
  }
}

/** proc_net(5): addresses as numbers of this machine's byte order, which is little on all we run on. */
function route4(line: string): string[] {
  const [, destination = "", , , , , , mask = ""] = line.split(/\s+/);
  if (!/^[0-9A-F]{8}$/.test(destination) || !/^[0-9A-F]{8}$/.test(mask)) return [];
  const bytes = Buffer.from(destination, "hex").reverse();
  const ones = Number.parseInt(mask, 16).toString(2).replaceAll("0", "").length;
  return [`${bytes.join(".")}/${ones}`];
}

/** RFC 4193 prefixes and the like; what every host has is nobody's. */
function route6(line: string): string[] {
  const [destination = "", length = ""] = line.split(/\s+/);
  if (!/^[0-9a-f]{32}$/.test(destination) || /^(fe80|ff00|0{32})/.test(destination)) return [];
  const groups = destination.match(/.{4}/g) ?? [];
  return [`${groups.join(":")}/${Number.parseInt(length, 16)}`];
}
