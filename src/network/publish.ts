/** `-p [[ADDRESS:]HOSTPORT:]PORT[/PROTOCOL]` as docker and podman read it. Pure. */
import { isIP } from "node:net";
import { TspodError } from "../errors.ts";
import type { PublishedPort } from "../spec/index.ts";

export const portMax = 65_535;
const usual = "use [ADDRESS:][HOSTPORT:]PORT[/PROTOCOL], e.g. 8080:80 or 127.0.0.1:5353:53/udp";

/** `flag`: for errors, "-p". Throws usage. */
export function parsePublish(text: string, flag = "-p"): PublishedPort {
  const refuse = (why: string, next = usual): TspodError =>
    new TspodError("usage", `Invalid ${flag} "${text}": ${why}`, { next });
  const [, rest = "", word = "tcp"] = /^(.*?)(?:\/([^/]*))?$/s.exec(text) ?? [];
  const protocol = word.toLowerCase();
  if (protocol === "sctp") {
    throw refuse("SCTP is not passed on", "publish tcp or udp, or use --network=host");
  }
  if (protocol !== "tcp" && protocol !== "udp") {
    throw refuse(`"${word}" is no protocol`, "use tcp or udp");
  }
  const { address, parts } = splitAddress(rest, refuse);
  const [inside = "", outside = "", extra] = parts.reverse();
  if (extra !== undefined) throw refuse("it has one part too many");
  const container = parseRange(inside, refuse);
  if (container.from === 0) throw refuse("no port of a container is 0");
  const host = outside === "" || outside === "0" ? null : parseRange(outside, refuse);
  const base = { protocol, hostAddress: address, containerPort: container.from } as const;
  if (host === null) return { ...base, hostPort: 0, count: container.count };
  if (host.count === container.count) {
    if (host.from === 0) throw refuse("a range begins with 1 at least");
    return { ...base, hostPort: host.from, count: host.count };
  }
  if (container.count !== 1) {
    throw refuse(
      `${host.count} ports of the host for ${container.count} of the container`,
      "give ranges of one length, or one port of the container",
    );
  }
  return { ...base, hostPort: host.from, count: 1, choices: host.count };
}

type Refuse = (why: string, next?: string) => TspodError;

/** An IPv6 address has brackets, for it has colons itself. */
function splitAddress(text: string, refuse: Refuse): { address: string; parts: string[] } {
  const [, bracketed, after] = /^\[([^\]]*)\]:(.*)$/s.exec(text) ?? [];
  if (bracketed !== undefined && after !== undefined) {
    const parts = after.split(":");
    if (parts.length > 2) throw refuse("it has one part too many");
    return { address: parseAddress(bracketed, refuse), parts: withBoth(parts, refuse) };
  }
  const parts = text.split(":");
  if (parts.length > 3 && isIP(parts.slice(0, -2).join(":")) === 6) {
    const address = parts.slice(0, -2).join(":");
    throw refuse(
      "an IPv6 address stands in brackets",
      `use [${address}]:${parts.slice(-2).join(":")}`,
    );
  }
  if (parts.length < 3) return { address: "", parts };
  const [address = "", ...ports] = parts;
  return { address: address === "" ? "" : parseAddress(address, refuse), parts: ports };
}

/** "[::1]:80" could mean either port. */
function withBoth(parts: string[], refuse: Refuse): string[] {
  if (parts.length === 2) return parts;
  throw refuse(
    "with an address there are two ports",
    "use [ADDRESS]:HOSTPORT:PORT, or [ADDRESS]::PORT",
  );
}

function parseAddress(text: string, refuse: Refuse): string {
  const kind = isIP(text);
  if (text.includes("%")) throw refuse("an address of one link only cannot be listened on");
  if (kind === 4) return text;
  if (kind !== 6) {
    const next = text === "localhost" ? "use 127.0.0.1 or [::1]" : "give an address of this host";
    throw refuse(`"${text}" is no address`, next);
  }
  const canonical = new URL(`http://[${text}]`).hostname.slice(1, -1);
  if (canonical.startsWith("::ffff:")) throw refuse("it is an IPv4 address", "write it as one");
  return canonical;
}

/** "80" or "8000-8010". */
function parseRange(text: string, refuse: Refuse): { from: number; count: number } {
  const [, low = "", high = low] = /^(\d{1,9})(?:-(\d{1,9}))?$/.exec(text) ?? [];
  if (low === "")
    throw refuse(text === "" ? "the container's port is missing" : `"${text}" is no port`);
  const [from, to] = [Number(low), Number(high)];
  if (to > portMax) throw refuse(`${to} is no port`, `ports go up to ${portMax}`);
  if (from > to) throw refuse(`"${text}" runs backwards`);
  return { from, count: to - from + 1 };
}
