/** `--network MODE[:OPTIONS]` or `NETWORK[:OPTIONS]`: docker's and podman's words. Pure. */
import { isIP } from "node:net";
import { TspodError } from "../errors.ts";
import { type NetworkMode, type NetworkOptions, networkUses } from "../spec/index.ts";
import { toolWords } from "./tool.ts";
import { parseAddress4, parseAddress6, parseMac, parseNetworkAlias } from "./addresses.ts";
import { isNetworkName, parseUse } from "./use.ts";

/** docker's and podman's names for a network of one's own; "podman" is what podman's is called. */
const privateNames = ["private", "bridge", "default", "podman"];

export interface AskedMode {
  network: NetworkMode;
  /** What was said after the colon. */
  options: Partial<NetworkOptions>;
}

/** As often as it was given: one mode, or networks ("a,b" are two of them). Throws usage. */
export function parseNetworkModes(texts: readonly string[]): AskedMode {
  const words = texts.flatMap((text) => (/[:=]/.test(text) ? [text] : text.split(",")));
  const [first = { network: "private", options: {} }, ...others] = words.map(parseNetworkMode);
  const networks = networkUses(first.network);
  if (networks === null) {
    if (words.length < 2) return first;
    throw together(words[0] ?? "", words[1] ?? "");
  }
  for (const [index, { network, options }] of others.entries()) {
    const more = networkUses(network);
    if (more === null) throw together(words[0] ?? "", words[index + 1] ?? "");
    networks.push(...more);
    Object.assign(first.options, options);
  }
  return { network: { networks }, options: first.options };
}

function together(one: string, other: string): TspodError {
  return new TspodError("usage", `Cannot combine --network=${one} with --network=${other}`, {
    next: "leave one of them away: only networks that were created go together",
  });
}

/** Throws usage. */
export function parseNetworkMode(text: string): AskedMode {
  if (/^(name|alias|ip6?|mac-address|driver-opt|gw-priority|link-local-ip)=/.test(text)) {
    return parseLongForm(text);
  }
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
  if (!isNetworkName(name)) {
    throw refuse(
      text,
      "it is neither a mode nor a network's name",
      "use a network, private, host, none, container:NAME, ns:PATH, pasta or slirp4netns",
    );
  }
  return withUse(text, name, words);
}

/** docker's: "name=NETWORK,alias=...". */
function parseLongForm(text: string): AskedMode {
  const words = text.split(",");
  const [name, extra] = words.filter((word) => word.startsWith("name="));
  if (name === undefined) throw refuse(text, "it names no network", "begin with name=NETWORK");
  const network = name.slice("name=".length);
  if (extra === undefined && isNetworkName(network)) {
    const rest = words.filter((word) => word !== name);
    return withUse(text, network, rest);
  }
  throw refuse(text, "it names no single network", "use name=NETWORK,alias=NAME,ip=ADDRESS");
}

/** What a network and a private one can be asked alike is apart from what is the network's. */
function withUse(text: string, name: string, words: readonly string[]): AskedMode {
  const isShared = (word: string): boolean =>
    /^(mtu|allow_host_loopback|host-loopback)(=|$)/.test(word);
  const use = parseUse(
    text,
    name,
    words.filter((word) => !isShared(word)),
  );
  return { network: { networks: [use] }, options: parseWords(text, words.filter(isShared)) };
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
