/** `--ip`, `--ip6`, `--mac-address`, `--network-alias`. Pure. */
import { isIPv4, isIPv6 } from "node:net";
import { TspodError } from "../errors.ts";
import { privateNetwork } from "../spec/index.ts";

function refuse(flag: string, text: string, why: string, next: string): TspodError {
  return new TspodError("usage", `Invalid ${flag} "${text}": ${why}`, { next });
}

const { v4, v6 } = privateNetwork;
const network4 = v4.gateway.replace(/\d+$/, "");

/** One of the private network's. Throws usage. */
export function parseAddress4(flag: string, text: string): string {
  const next = `use one of ${network4}4 to ${network4}254`;
  if (!isIPv4(text)) throw refuse(flag, text, "it is no IPv4 address", next);
  const last = Number(text.slice(text.lastIndexOf(".") + 1));
  const isFree = text !== v4.gateway && text !== v4.dns && last > 1 && last < 255;
  if (text.startsWith(network4) && isFree) return text;
  const why = text.startsWith(network4) ? "it is taken" : `it is not in ${network4}0/24`;
  throw refuse(flag, text, why, next);
}

/** One of the private network's, in its shortest form. Throws usage. */
export function parseAddress6(flag: string, text: string): string {
  const next = "use e.g. fd00::1234";
  if (!isIPv6(text) || text.includes("%")) throw refuse(flag, text, "it is no IPv6 address", next);
  const canonical = new URL(`http://[${text}]`).hostname.slice(1, -1);
  const taken: readonly string[] = [v6.gateway, v6.dns, "fd00::"];
  if (taken.includes(canonical)) throw refuse(flag, text, "it is taken", next);
  if (isInNetwork6(canonical)) return canonical;
  throw refuse(flag, text, "it is not in fd00::/64", next);
}

/** Whether its first four groups are fd00:0:0:0. */
function isInNetwork6(canonical: string): boolean {
  const [head = "", tail] = canonical.split("::");
  const before = head.split(":").filter(Boolean);
  const after = (tail ?? "").split(":").filter(Boolean);
  const zeros = tail === undefined ? 0 : 8 - before.length - after.length;
  const groups = [...before, ...Array<string>(zeros).fill("0"), ...after];
  return groups.length === 8 && groups.slice(0, 4).join(":") === "fd00:0:0:0";
}

/** In lower case, with colons. Throws usage. */
export function parseMac(flag: string, text: string): string {
  const mac = text.toLowerCase().replaceAll("-", ":");
  const next = "use e.g. 02:00:00:12:34:56";
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(mac)) {
    throw refuse(flag, text, "it is no hardware address", next);
  }
  const first = Number.parseInt(mac.slice(0, 2), 16);
  const isNobody = mac === "00:00:00:00:00:00";
  if ((first & 1) === 0 && !isNobody) return mac;
  throw refuse(flag, text, "it is not one of a single station", next);
}

/** A name as in /etc/hosts. Throws usage. */
export function parseNetworkAlias(text: string): string {
  if (/^[a-zA-Z0-9_]([a-zA-Z0-9_.-]{0,251}[a-zA-Z0-9_])?$/.test(text)) return text;
  throw refuse("--network-alias", text, "it is no host name", "use letters, digits, '-' and '.'");
}
