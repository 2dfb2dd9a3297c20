/**
 * Roots as directories of the host, in the caller's mount namespace: where they are mounted, who may, and whose they are. A
 * mount inside of `tspod unshare` ends with the session, and so do our notes: what is mounted the kernel is asked.
 */
import { readdirSync, readFileSync, readlinkSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { TspodError } from "../errors.ts";
import { bootId, isAlive, processIdentity } from "../lib/process-identity.ts";

/** Whoever is not root, of a user namespace or of the host, may not mount. `what` is unshared's: "image 0123". */
export function requireRight(verb: string, noun: "image" | "container", what: string): void {
  if (process.getuid?.() === 0) return;
  const article = noun === "image" ? "an image" : "a container";
  throw new TspodError("usage", `Cannot ${verb} ${article}: only root of a user namespace can`, {
    next: `tspod unshare, and in it tspod ${noun} ${verb} ${what}`,
  });
}

/** Where the session mounts what is called so: the directory is to be made. */
export function mountPoint(data: string, session: string, name: string): string {
  return join(mountsOf(data), directoryOf(session), name);
}

/** What is mounted in the caller's mount namespace: its mounts are the only record. */
export function listMountPoints(data: string): string[] {
  const base = `${mountsOf(data)}/`;
  return readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .map((line) => unescape(line.split(" ")[4] ?? ""))
    .filter((path) => path.startsWith(base));
}

/** proc_pid_mountinfo(5): space, tab, newline and backslash are octal. */
function unescape(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
}

const mountsOf = (data: string): string => join(data, "mounts");

/** The first process of those that see our mounts: with it they end, or they are the host's. */
export function sessionIdentity(): string {
  const own = mountNamespace("self");
  let pid = process.pid;
  for (let parent = parentOf(pid); parent > 0 && mountNamespace(parent) === own;) {
    pid = parent;
    parent = parentOf(pid);
  }
  return processIdentity(pid);
}

function mountNamespace(pid: number | "self"): string {
  try {
    return readlinkSync(`/proc/${pid}/ns/mnt`);
  } catch {
    return ""; // somebody else's: none of ours
  }
}

function parentOf(pid: number): number {
  try {
    const parent = /^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1];
    return Number(parent ?? 0);
  } catch {
    return 0; // it ended
  }
}

/** "PID-START": a colon would end it in what -v is given. */
const directoryOf = (session: string): string => session.split(":").slice(0, 2).join("-");

/** Empty directories: their mounts ended with their sessions. */
export function removeDeadSessions(data: string): void {
  for (const session of list(mountsOf(data))) {
    if (isAlive(`${session.replace("-", ":")}:${bootId()}`)) continue;
    const base = join(mountsOf(data), session);
    for (const name of list(base)) removeEmpty(join(base, name));
    removeEmpty(base);
  }
}

export function removeEmpty(path: string): void {
  try {
    rmdirSync(path);
  } catch {
    // not ours, or not empty: it does no harm
  }
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return []; // none was ever mounted
  }
}
