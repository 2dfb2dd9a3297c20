/** The values of the flags of `network create`. */
import { isIP } from "node:net";
import { TspodError } from "../../errors.ts";
import { type NewNetwork, parseSubnets, requireServers } from "../../network/records.ts";

export interface NetworkValues {
  subnet: readonly string[];
  gateway: readonly string[];
  ipRange: readonly string[];
  ipv6: boolean;
  internal: boolean;
  disableDns: boolean;
  dns: readonly string[];
  opt: readonly string[];
  interfaceName: string | null;
}

/** Throws usage. */
export function parseNetworkFlags(flags: NetworkValues): Omit<NewNetwork, "name" | "labels"> {
  const servers = parseServers("--dns", flags.dns);
  requireServers(servers);
  if (servers.length > 0 && flags.internal) {
    throw new TspodError("usage", "Cannot combine --dns with --internal: nothing leads out", {
      next: "leave one of them away",
    });
  }
  if (flags.interfaceName !== null) requireInterfaceName(flags.interfaceName);
  return {
    ...parseSubnets(flags),
    hasIpv6: flags.ipv6,
    isInternal: flags.internal,
    hasNames: !flags.disableDns,
    servers,
    ...parseDriverOptions(flags.opt),
    interfaceName: flags.interfaceName ?? "",
  };
}

const drivers: Readonly<Record<string, string>> = {
  macvlan: "it needs a network card of the host, which is real root's",
  ipvlan: "it needs a network card of the host, which is real root's",
  overlay: "there are no swarms",
  host: "it is a mode: tspod run --network=host",
  none: "it is a mode: tspod run --network=none",
};

/** Throws usage. */
export function requireBridge(driver: string): void {
  if (driver === "bridge" || driver === "") return;
  const why = Object.hasOwn(drivers, driver) ? drivers[driver] : undefined;
  throw new TspodError(
    "usage",
    why === undefined
      ? `There is no network driver "${driver}"`
      : `Cannot use the network driver "${driver}": ${why}`,
    { next: 'use "bridge", or leave it away' },
  );
}

/** Throws usage. */
export function parseServers(flag: string, texts: readonly string[]): string[] {
  const all = texts.flatMap((text) => text.split(","));
  for (const text of all) {
    if (isIP(text) !== 0 && !text.includes("%")) continue;
    throw new TspodError("usage", `Invalid ${flag} "${text}": it is no address`, {
      next: "give the address of a name server",
    });
  }
  return [...new Set(all)];
}

function requireInterfaceName(name: string): void {
  if (/^[a-zA-Z0-9_.-]{1,15}$/.test(name)) return;
  throw new TspodError("usage", `Invalid --interface-name "${name}"`, {
    next: "use up to 15 letters and digits",
  });
}

const mtuMin = 1280; // IPv6 needs it: RFC 8200
const mtuMax = 65_520;
const trueWords = ["true", "1", "strict"];

/** podman's and docker's options of a bridge, as far as they mean something without one. */
function parseDriverOptions(
  texts: readonly string[],
): Pick<NewNetwork, "mtu" | "hasDefaultRoute" | "options"> {
  const settings: ReturnType<typeof parseDriverOptions> = {
    ...{ mtu: null, hasDefaultRoute: true, options: {} },
  };
  for (const text of texts.flatMap((all) => all.split(","))) {
    const equals = text.indexOf("=");
    const [key, value] = [text.slice(0, equals), text.slice(equals + 1)];
    if (equals < 1) throw refuse(text, "it has no value", "use -o KEY=VALUE");
    switch (key) {
      case "mtu":
      case "com.docker.network.driver.mtu":
        settings.mtu = parseMtu(text, value);
        break;
      case "no_default_route":
        settings.hasDefaultRoute = !parseBoolean(text, value);
        break;
      case "isolate": // networks are
        if (value !== "strict") parseBoolean(text, value);
        break;
      case "com.docker.network.bridge.name": // written down
        break;
      case "com.docker.network.bridge.enable_icc":
      case "com.docker.network.bridge.enable_ip_masquerade":
        if (parseBoolean(text, value)) break;
        throw refuse(text, "that cannot be had", "--internal is a network without a way out");
      default:
        throw refuse(text, "there is no such option", "use mtu=, isolate= and no_default_route=");
    }
    settings.options[key] = value;
  }
  return settings;
}

function refuse(text: string, why: string, next: string): TspodError {
  return new TspodError("usage", `Invalid -o "${text}": ${why}`, { next });
}

function parseMtu(text: string, value: string): number {
  const mtu = Number(value);
  if (/^\d{1,6}$/.test(value) && mtu >= mtuMin && mtu <= mtuMax) return mtu;
  throw refuse(text, "it is no MTU", `use a number from ${mtuMin} to ${mtuMax}`);
}

function parseBoolean(text: string, value: string): boolean {
  if (trueWords.includes(value)) return true;
  if (value === "false" || value === "0") return false;
  throw refuse(text, "it is neither true nor false", "use true or false");
}
