/**
 * Who makes cgroups for containers on this host: the user's systemd, we ourselves in a part of the hierarchy that is
 * the user's, or nobody. Reads files, starts nothing. What then happens is the helper's (zig/src/cgroup/): it looks
 * for itself again, because a container may be started from another session than it was created in.
 */
import { accessSync, constants, existsSync, readdirSync, readFileSync } from "node:fs";
import { rmdirSync, statfsSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

export interface HostCgroup {
  manager: "systemd" | "cgroupfs" | "none";
  version: "v2" | "hybrid" | "v1" | "none";
  /** What a container of this user can be limited in: "cpu", "memory"... */
  controllers: string[];
}

type Environment = Record<string, string | undefined>;

/** CGROUP2_SUPER_MAGIC (statfs(2)). */
const cgroup2Magic = 0x63677270;
const mountPoint = "/sys/fs/cgroup";

export function hostCgroup(environment: Environment): HostCgroup {
  const top = [mountPoint, `${mountPoint}/unified`].find(isCgroup2);
  if (top === undefined) {
    const hasOther = existsSync(`${mountPoint}/memory`) || existsSync(`${mountPoint}/systemd`);
    return { manager: "none", version: hasOther ? "v1" : "none", controllers: [] };
  }
  const version = top === mountPoint ? "v2" : "hybrid";
  const uid = outsideUid();
  if (hasSystemd(uid, environment)) {
    const slice = `${top}/user.slice/user-${uid}.slice/user@${uid}.service`;
    return { manager: "systemd", version, controllers: controllersOf(uid === 0 ? top : slice) };
  }
  const base = findBase(top, uid);
  if (base === null) return { manager: "none", version, controllers: [] };
  return { manager: "cgroupfs", version, controllers: controllersOf(base) };
}

/**
 * Whom the helper is to ask for a container's cgroup. Where nobody can make one today somebody may when the container
 * is started, and if not, whoever was asked knows why, and what helps.
 */
export function cgroupManager(environment: Environment): "systemd" | "cgroupfs" {
  const { manager, version } = hostCgroup(environment);
  if (manager !== "none") return manager;
  const hasV2 = version === "v2" || version === "hybrid";
  return hasV2 && existsSync("/run/systemd/system") ? "systemd" : "cgroupfs";
}

function isCgroup2(path: string): boolean {
  try {
    return statfsSync(path).type === cgroup2Magic;
  } catch {
    return false; // not mounted
  }
}

/** Its private socket is there without a message bus; a bus alone need not have a systemd on it. */
function hasSystemd(uid: number, { XDG_RUNTIME_DIR: runtime }: Environment): boolean {
  if (!existsSync("/run/systemd/system")) return false;
  if (uid === 0) return existsSync("/run/systemd/private");
  const directories = [runtime, `/run/user/${uid}`].filter((path) => path?.startsWith("/"));
  return directories.some((path) => existsSync(`${path}/systemd/private`));
}

/** Where this user may make cgroups: our own group, or the nearest above it that is theirs and holds no process. */
function findBase(top: string, uid: number): string | null {
  if (uid === 0) return isWritable(top) ? top : null;
  const own = parseOwnGroup(readText("/proc/self/cgroup"));
  if (own === null) return null;
  const directory = own === "/" ? top : `${top}${own}`;
  for (let path = directory; path.length > top.length; path = dirname(path)) {
    if (!isWritable(path)) break;
    if (readText(`${path}/cgroup.procs`) === "") return path;
  }
  return isWritable(directory) ? directory : null;
}

/**
 * Who we are to those outside of our user namespace: root of one that an engine has made for a user is still that user to
 * systemd and to the hierarchy (zig/src/cgroup/owner.zig).
 */
function outsideUid(): number {
  const uid = process.geteuid?.() ?? 0;
  return uid === 0 ? parseOutsideRoot(readText("/proc/self/uid_map")) : uid;
}

/** What 0 is outside, by the lines "INSIDE OUTSIDE COUNT" of a uid_map (user_namespaces(7)). */
export function parseOutsideRoot(text: string): number {
  return Number(/^\s*0\s+(\d+)\s/m.exec(text)?.[1] ?? 0);
}

/** The path in the line "0::PATH" of /proc/PID/cgroup (cgroups(7)). Null: none, deleted, or out of our sight. */
export function parseOwnGroup(text: string): string | null {
  const line = text.split("\n").find((each) => each.startsWith("0::/"));
  const path = line?.slice("0::".length) ?? null;
  if (path === null || path.startsWith("/..") || path.endsWith(" (deleted)")) return null;
  return path;
}

function isWritable(directory: string): boolean {
  try {
    accessSync(directory, constants.W_OK);
    accessSync(`${directory}/cgroup.procs`, constants.W_OK);
    return true;
  } catch {
    return false; // somebody else's, or read-only
  }
}

function controllersOf(directory: string): string[] {
  return readText(`${directory}/cgroup.controllers`).split(/\s+/).filter(Boolean);
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // not on this host
  }
}

/** Ids of the containers that have a group where this user's are made, or had one when their monitor was killed. */
export function listGroups(environment: Environment): { id: string; path: string }[] {
  const base = findCgroupfs(environment);
  if (base === null) return []; // systemd removes its own
  return readdirSync(base).flatMap((name) => {
    const [, id] = /^tspod-([0-9a-f]{64})$/.exec(name) ?? [];
    return id === undefined ? [] : [{ id, path: `${base}/${name}` }];
  });
}

function findCgroupfs(environment: Environment): string | null {
  const uid = outsideUid();
  if (hasSystemd(uid, environment)) return null;
  const top = [mountPoint, `${mountPoint}/unified`].find(isCgroup2);
  return top === undefined ? null : findBase(top, uid);
}

/** Longer than the kernel takes to end a process. */
const endingMs = 500;

/** A group whose container is over: who is left in it is killed, and waited for. Where that takes too long it stays. */
export async function endGroup(path: string): Promise<void> {
  const deadline = performance.now() + endingMs;
  removeGroup(path);
  while (isCgroup2(path) && performance.now() < deadline) {
    killAll(path);
    await Bun.sleep(1);
    removeGroup(path);
  }
}

function killAll(group: string): void {
  try {
    if (existsSync(`${group}/cgroup.kill`)) return writeFileSync(`${group}/cgroup.kill`, "1");
    const text = readFileSync(`${group}/cgroup.procs`, "utf8"); // before Linux 5.14
    for (const pid of text.split("\n").filter(Boolean)) process.kill(Number(pid), "SIGKILL");
  } catch {
    // gone meanwhile: the caller looks again
  }
}

/** A group that nobody lives in any more, with those below it. One that is gone, or lived in, is left alone. */
export function removeGroup(path: string): void {
  if (!isCgroup2(path)) return;
  try {
    for (const entry of readdirSync(path, { withFileTypes: true })) {
      if (entry.isDirectory()) removeGroup(`${path}/${entry.name}`);
    }
    rmdirSync(path);
  } catch {
    // gone meanwhile, or a process is in it: not ours to end
  }
}
