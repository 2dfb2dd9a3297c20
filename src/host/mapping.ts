/**
 * Which ids a container gets on this host: container root is the caller, ids 1.. are the caller's subordinate ranges.
 * Source: user_namespaces(7), newuidmap(1). Reads files, starts nothing.
 */
import { accessSync, constants, readFileSync } from "node:fs";
import type { IdMapping } from "../helper/contract.ts";
import { type IdRange, readSubordinateIds } from "./subordinate-ids.ts";

export interface Mapping {
  uid: IdMapping[];
  gid: IdMapping[];
  /** Null: the helper writes the maps itself (one id, or run as root). */
  tools: { newuidmap: string; newgidmap: string } | null;
  /** Why only one id is mapped, with the remedy; undefined when all is well. */
  limitation?: string;
}

/** The kernel accepts 340 lines in a map since Linux 4.15; newuidmap takes as many. */
const rangesMax = 339;

/** The mapping of the user running us. */
export function hostMapping(environment: Record<string, string | undefined>): Mapping {
  const uid = process.getuid?.() ?? 0;
  const gid = process.getgid?.() ?? 0;
  if (uid === 0) return rootMapping();
  const single = { uid: [oneId(uid)], gid: [oneId(gid)], tools: null };
  const name = loginName(uid, environment);
  const owners = [...(name === undefined ? [] : [name]), String(uid)];
  const uidRanges = readSubordinateIds("/etc/subuid", owners);
  const gidRanges = readSubordinateIds("/etc/subgid", owners);
  if (uidRanges.length === 0 || gidRanges.length === 0) {
    const file = uidRanges.length === 0 ? "/etc/subuid" : "/etc/subgid";
    const who = name ?? String(uid);
    return {
      ...single,
      limitation: `no subordinate ids for "${who}" in ${file}, so a container has one user only; to fix it: sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ${who}`,
    };
  }
  const newuidmap = findProgram("newuidmap", environment.PATH);
  const newgidmap = findProgram("newgidmap", environment.PATH);
  if (newuidmap === null || newgidmap === null) {
    return {
      ...single,
      limitation:
        "newuidmap is not installed, so a container has one user only; to fix it: sudo apt-get install uidmap (Debian, Ubuntu) or sudo dnf install shadow-utils (Fedora)",
    };
  }
  return {
    uid: [oneId(uid), ...following(uidRanges)],
    gid: [oneId(gid), ...following(gidRanges)],
    tools: { newuidmap, newgidmap },
  };
}

function oneId(hostID: number): IdMapping {
  return { containerID: 0, hostID, size: 1 };
}

/** Ranges laid out from container id 1 on. */
function following(ranges: readonly IdRange[]): IdMapping[] {
  let containerID = 1;
  return ranges.slice(0, rangesMax).map(({ start, count }) => {
    const line = { containerID, hostID: start, size: count };
    containerID += count;
    return line;
  });
}

/** As root every id we have ourselves is mapped to itself. */
function rootMapping(): Mapping {
  return {
    uid: identityMap("/proc/self/uid_map"),
    gid: identityMap("/proc/self/gid_map"),
    tools: null,
  };
}

function identityMap(path: string): IdMapping[] {
  const lines = readFileSync(path, "latin1").trim().split("\n");
  return lines.map((line) => {
    const [inside = 0, , size = 0] = line.trim().split(/ +/).map(Number);
    return { containerID: inside, hostID: inside, size };
  });
}

/** Who runs us; without an account there is no name. */
export function caller(): { uid: number; gid: number; name: string | undefined } {
  const uid = process.getuid?.() ?? 0;
  return { uid, gid: process.getgid?.() ?? 0, name: loginName(uid, {}) };
}

/**
 * The name /etc/subuid knows the caller by; a uid without an account has none. Read from passwd(5), because Bun's
 * userInfo() knows only what USER says, and cron and env -i say nothing.
 */
function loginName(
  uid: number,
  environment: Record<string, string | undefined>,
): string | undefined {
  for (const line of readAccounts().split("\n")) {
    const [name, , id] = line.split(":");
    if (id !== undefined && Number(id) === uid) return name;
  }
  return environment.USER; // an account of LDAP or systemd-homed
}

function readAccounts(): string {
  try {
    return readFileSync("/etc/passwd", "utf8");
  } catch {
    return ""; // a root file system with nothing in it
  }
}

/** Search PATH, then where Debian and Fedora keep it, for users whose PATH lacks /usr/bin. */
export function findProgram(name: string, path: string | undefined): string | null {
  for (const directory of [...(path ?? "").split(":"), "/usr/bin", "/usr/local/bin", "/bin"]) {
    if (!directory.startsWith("/")) continue;
    const candidate = `${directory}/${name}`;
    try {
      accessSync(candidate, constants.X_OK);
      return candidate;
    } catch {
      continue; // not here
    }
  }
  return null;
}
