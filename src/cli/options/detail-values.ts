/** The values of the smaller flags, as docker and podman read them. */
import { readFileSync, realpathSync } from "node:fs";
import { isIP } from "node:net";
import { resolve } from "node:path";
import { TspodError } from "../../errors.ts";
import { parseSize } from "../../lib/size.ts";
import { defaultDetails, type DetailOptions } from "../../spec/index.ts";
import { type DetailFlags, personalities, proxyVariables } from "./details.ts";
import { parseLabels } from "./labels.ts";

type Environment = Record<string, string | undefined>;

/** Throws usage. */
export function parseDetails(flags: DetailFlags, environment: Environment): DetailOptions {
  return {
    ...defaultDetails,
    hostEnvironment: hostEnvironment(flags, environment),
    mergedEnvironment: Object.fromEntries(flags.envMerge.map(parseMerge)),
    unset: flags.unsetenv,
    unsetsAll: flags.unsetenvAll,
    annotations: parseAnnotations(flags.annotation),
    exposed: flags.expose.flatMap(parseExpose),
    domainname: flags.domainname,
    addedHosts: flags.addHost.map(parseHost),
    hosts: parseHosts(flags),
    hasHostnameFile: !flags.noHostname,
    resolver: parseResolver(flags),
    timezone: flags.tz === null ? null : parseZone(flags.tz),
    hasReadOnlyTmpfs: flags.readOnlyTmpfs,
    personality: parsePersonality(flags.personality),
    systemd: parseSystemd(flags.systemd),
    systemdSizeBytes:
      flags.shmSizeSystemd === null ? null : parseSize(flags.shmSizeSystemd, "--shm-size-systemd"),
    accounts: parseAccounts(flags),
    pidFile: flags.pidfile === null ? null : resolve(flags.pidfile),
    monitorPidFile: flags.conmonPidfile === null ? null : resolve(flags.conmonPidfile),
  };
}

function usage(flag: string, text: string, why: string, next: string): TspodError {
  return new TspodError("usage", `Invalid ${flag} "${text}": ${why}`, { next });
}

function hostEnvironment(flags: DetailFlags, environment: Environment): string[] {
  const names = flags.envHost ? Object.keys(environment) : flags.httpProxy ? proxyVariables : [];
  return names.flatMap((name) => {
    const text = environment[name];
    return text === undefined ? [] : [`${name}=${text}`];
  });
}

function parseMerge(text: string): [string, string] {
  const equals = text.indexOf("=");
  if (equals > 0) return [text.slice(0, equals), text.slice(equals + 1)];
  throw usage("--env-merge", text, "it has no value", "use KEY=TEXT, with ${NAME} in it");
}

function parseAnnotations(texts: readonly string[]): Record<string, string> {
  const odd = texts.find((text) => text.indexOf("=") < 1);
  if (odd === undefined) return parseLabels(texts);
  throw usage("--annotation", odd, "it has no value", "use KEY=VALUE");
}

function parsePersonality(text: string | null): DetailOptions["personality"] {
  if (text === null) return null;
  const known = personalities.find((name) => name === text.toUpperCase());
  if (known !== undefined) return known;
  throw usage("--personality", text, "there is no such domain", "use LINUX or LINUX32");
}

const portMax = 65_535;

/** "80", "80/udp", "8000-8003/tcp". */
function parseExpose(text: string): string[] {
  const [, low = "", high = low, protocol = "tcp"] =
    /^(\d+)(?:-(\d+))?(?:\/(tcp|udp|sctp))?$/.exec(text) ?? [];
  const [from, to] = [Number(low), Number(high)];
  if (low === "" || from < 1 || to > portMax || from > to) {
    throw usage("--expose", text, "it is no port", "use e.g. 80, 53/udp or 8000-8010");
  }
  return Array.from({ length: to - from + 1 }, (_, i) => `${from + i}/${protocol}`);
}

/** "NAME:ADDRESS" or docker's "NAME=ADDRESS"; podman's "A;B:ADDRESS" is several names on one line. */
function parseHost(text: string): { name: string; address: string } {
  const [, names = "", raw = ""] = /^([^:=]+)[:=](.+)$/.exec(text) ?? [];
  const address = raw.replace(/^\[(.*)\]$/, "$1");
  const next = "use NAME:ADDRESS, e.g. db:192.0.2.7";
  if (names === "" || /\s/.test(names)) throw usage("--add-host", text, "it has no name", next);
  if (address !== "host-gateway" && isIP(address) === 0)
    throw usage("--add-host", text, `"${raw}" is no address`, next);
  return { name: names.replaceAll(";", " "), address };
}

const fileBytesMax = 1024 * 1024;

function parseHosts({ noHosts, hostsFile, addHost }: DetailFlags): DetailOptions["hosts"] {
  if (noHosts) {
    const flag = addHost.length > 0 ? "--add-host" : hostsFile === null ? null : "--hosts-file";
    if (flag === null) return "none";
    throw new TspodError("usage", `Cannot combine --no-hosts with ${flag}`, {
      next: "leave one of them away",
    });
  }
  if (hostsFile === null) return "own";
  if (hostsFile === "image") return "image";
  if (hostsFile === "none") return { text: "" };
  try {
    const text = readFileSync(hostsFile, "utf8");
    if (text.length <= fileBytesMax) return { text };
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw usage("--hosts-file", hostsFile, `it cannot be read (${code})`, "check the path");
  }
  throw usage("--hosts-file", hostsFile, "it is larger than 1 MiB", "give a file like /etc/hosts");
}

function parseResolver({ dns, dnsSearch, dnsOption }: DetailFlags): DetailOptions["resolver"] {
  if (dns.includes("none")) {
    if (dns.length + dnsSearch.length + dnsOption.length === 1) return "image";
    throw new TspodError("usage", "Cannot combine --dns=none with other flags for resolv.conf", {
      next: "leave one of them away",
    });
  }
  const odd = dns.find((server) => isIP(server.replace(/%.*$/, "")) === 0);
  if (odd !== undefined) throw usage("--dns", odd, "it is no address", "use e.g. --dns 192.0.2.53");
  const texts = [...dnsSearch, ...dnsOption].find((text) => text === "" || /\s/.test(text));
  if (texts !== undefined) throw usage("--dns-search", texts, "it has blanks", "give one a flag");
  return { servers: dns, searches: dnsSearch, options: dnsOption };
}

const zones = "/usr/share/zoneinfo";

function parseZone(text: string): string {
  const path = text === "local" ? "/etc/localtime" : resolve(zones, text);
  const next = `use a name below ${zones}, e.g. Europe/Rome, or local`;
  if (text !== "local" && !path.startsWith(`${zones}/`)) throw usage("--tz", text, "no zone", next);
  try {
    const file = realpathSync(path);
    if (readFileSync(file).subarray(0, 4).toString() === "TZif") return file; // tzfile(5)
  } catch {
    // not there: the sentence below
  }
  throw usage("--tz", text, "this host knows no such zone", next);
}

function parseSystemd(text: string | null): DetailOptions["systemd"] {
  if (text === null || text === "true") return "auto";
  if (text === "always") return "always";
  if (text === "false") return "never";
  throw usage("--systemd", text, "it is not known", "use true, false or always");
}

function parseAccounts(flags: DetailFlags): DetailOptions["accounts"] {
  const { passwd, passwdEntry, groupEntry, hostuser } = flags;
  if (passwd && passwdEntry === null && groupEntry === null && hostuser.length === 0) return null;
  if (!passwd && (passwdEntry !== null || groupEntry !== null || hostuser.length > 0)) {
    throw new TspodError("usage", "Cannot combine --passwd=false with entries for /etc/passwd", {
      next: "leave one of them away",
    });
  }
  const odd = [passwdEntry, groupEntry].find((line) => line !== null && /[\n\r]/.test(line));
  if (odd) throw usage("--passwd-entry", odd, "it has more than one line", "give one line");
  return { areWritten: passwd, passwdEntry, groupEntry, hostUsers: hostuser.map(hostUser) };
}

/** Its line of the host's /etc/passwd. */
function hostUser(text: string): string {
  const lines = readFileSync("/etc/passwd", "utf8").split("\n");
  const found = lines.find((line) => {
    const [name, , uid] = line.split(":");
    return name === text || uid === text;
  });
  if (found !== undefined && text !== "") return found;
  throw usage("--hostuser", text, "this host has no such user", "use a name of /etc/passwd");
}
