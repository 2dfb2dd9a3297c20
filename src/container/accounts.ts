/**
 * Names of users and groups in a container that runs, from its own /etc/passwd and /etc/group. Those are files of
 * somebody we do not trust: no link is followed, nothing but a plain file is read, and no more than a limit of it.
 */
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";

/** Larger ones are not lists of accounts. */
const fileBytesMax = 1024 * 1024;

export interface IdLine {
  inside: number;
  outside: number;
  size: number;
}

/** user_namespaces(7): how ids of the process's namespace are called in ours. */
export function parseIdMap(text: string): IdLine[] {
  return text
    .split("\n")
    .filter(Boolean)
    .map((line) => {
      const [inside = 0, outside = 0, size = 0] = line.trim().split(/\s+/).map(Number);
      return { inside, outside, size };
    });
}

/** An id of the host as the container knows it; null when it has no such id. */
export function insideId(map: readonly IdLine[], id: number): number | null {
  const line = map.find(({ outside, size }) => id >= outside && id < outside + size);
  return line === undefined ? null : line.inside + (id - line.outside);
}

/** Id -> name, of `passwd` or `group`. Empty when there is no such file, or none that may be trusted. */
export function readNames(pid: number, file: "passwd" | "group"): ReadonlyMap<number, string> {
  return parseNames(readInside(pid, file) ?? "");
}

export function parseNames(text: string): Map<number, string> {
  const names = new Map<number, string>();
  for (const line of text.split("\n")) {
    const [name = "", , id = ""] = line.split(":");
    // the first line of an id counts, as for getpwuid(3)
    if (name !== "" && /^\d+$/.test(id) && !names.has(Number(id))) names.set(Number(id), name);
  }
  return names;
}

function readInside(pid: number, file: string): string | null {
  using kept = new DisposableStack();
  const open = (path: string, flags: number): number => {
    const descriptor = openSync(path, flags | constants.O_NOFOLLOW);
    kept.defer(() => closeSync(descriptor));
    return descriptor;
  };
  try {
    // step by step, each by the descriptor of the one before: the container can put a link in between at any time
    const root = openSync(`/proc/${pid}/root`, constants.O_DIRECTORY);
    kept.defer(() => closeSync(root));
    const etc = open(`/proc/self/fd/${root}/etc`, constants.O_DIRECTORY);
    const descriptor = open(`/proc/self/fd/${etc}/${file}`, constants.O_NONBLOCK);
    const found = fstatSync(descriptor);
    if (!found.isFile() || found.size > fileBytesMax) return null;
    const buffer = Buffer.alloc(Number(found.size));
    return buffer.toString("utf8", 0, readSync(descriptor, buffer, 0, buffer.length, 0));
  } catch {
    return null; // a link, no such file, or the container has ended
  }
}
