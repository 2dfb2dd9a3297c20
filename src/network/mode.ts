/** `--network MODE[:OPTIONS]`: docker's and podman's words. Pure. */
import { isIP } from "node:net";
import { TspodError } from "../errors.ts";
import type { NetworkMode, NetworkOptions } from "../spec/index.ts";
import { toolWords } from "./tool.ts";
import { parseAddress4, parseAddress6, parseMac, parseNetworkAlias } from "./addresses.ts";

/** docker's and podman's names for a network of one's own. */
const privateNames = ["private", "bridge", "default"];

export interface AskedMode {
  network: NetworkMode;
  /** What was said after the colon. */
  options: Partial<NetworkOptions>;
}

/** Throws usage. */
export function parseNetworkMode(text: string): AskedMode {
  const [, name = "", rest] = /^([^:]*)(?::(.*))?$/s.exec(text) ?? [];
  const words = rest === undefined || rest === "" ? [] : rest.split(",");
  const none: Partial<NetworkOptions> = {};
  if (privateNames.includes(name)) return { network: "private", options: parseWords(text, words) };
  if (name === "host" || name === "none") {
    if (rest === undefined) return { network: name, options: none };
    throw refuse(text, `${name} takes no options`, `use --network ${name}`);
  }
  if (name === "container") {
    if (rest !== undefined && rest !== "") return { network: { container: rest }, options: none };
    throw refuse(text, "it names no container", "use container:NAME");
  }
  if (name === "ns") {
    if (rest?.startsWith("/") === true && !rest.includes("\0")) {
      return { network: { path: rest }, options: none };
    }
    throw refuse(text, "it names no absolute path", "use e.g. ns:/proc/1234/ns/net");
  }
  if (name === "pasta" || name === "slirp4netns") {
    toolWords({ tool: name, options: words }, []);
    return { network: { tool: name, options: words }, options: none };
  }
  throw new TspodError("usage", `Invalid --network "${text}": there is no such mode or network`, {
    next: "use private, host, none, container:NAME, ns:PATH, pasta or slirp4netns",
  });
}

function refuse(text: string, why: string, next: string): TspodError {
  return new TspodError("usage", `Invalid --network "${text}": ${why}`, { next });
}

const mtuMin = 1280; // IPv6 needs it: RFC 8200
const mtuMax = 65_520;

/** podman's "ip=", "ip6=", "mac=", "alias=", and slirp4netns's "mtu=" and "allow_host_loopback=". */
function parseWords(text: string, words: readonly string[]): Partial<NetworkOptions> {
  const options: Partial<NetworkOptions> = {};
  for (const word of words) {
    const [, key = "", value = ""] = /^([^=]*)(?:=(.*))?$/s.exec(word) ?? [];
    switch (key) {
      case "ip":
        if (isIP(value) === 6) options.address6 = parseAddress6("--network ip", value);
        else options.address4 = parseAddress4("--network ip", value);
        break;
      case "ip6":
        options.address6 = parseAddress6("--network ip6", value);
        break;
      case "mac":
        options.mac = parseMac("--network mac", value);
        break;
      case "alias":
        options.aliases = [...(options.aliases ?? []), parseNetworkAlias(value)];
        break;
      case "mtu":
        options.mtu = parseMtu(text, value);
        break;
      case "allow_host_loopback":
      case "host-loopback":
        options.reachesHostLoopback = parseBoolean(text, value);
        break;
      default:
        throw refuse(
          text,
          `"${key}" is no option`,
          "use ip=, ip6=, mac=, alias=, mtu= and host-loopback",
        );
    }
  }
  return options;
}

function parseMtu(text: string, value: string): number {
  const mtu = Number(value);
  if (/^\d+$/.test(value) && mtu >= mtuMin && mtu <= mtuMax) return mtu;
  throw refuse(text, `"${value}" is no MTU`, `use a number from ${mtuMin} to ${mtuMax}`);
}

function parseBoolean(text: string, value: string): boolean {
  if (value === "" || value === "true") return true;
  if (value === "false") return false;
  throw refuse(
    text,
    `"${value}" is neither true nor false`,
    "use host-loopback or host-loopback=false",
  );
}
