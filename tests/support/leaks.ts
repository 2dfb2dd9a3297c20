/**
 * What a world of its own may leave behind: processes, mounts, cgroups, directories and rows. Looks only, from outside,
 * by what the kernel and the disk say; it trusts nothing tspod says of itself.
 */
import { Database } from "bun:sqlite";
import {
  type Dirent,
  existsSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
} from "node:fs";
import { basename, join } from "node:path";
import { delegatedGroup } from "./delegated-cgroup.ts";

/** Everything of `root` (a TSPOD_ROOT) that is still there; empty when nothing is. */
export function leftovers(root: string): string[] {
  return [
    ...processesOf(root).map(({ pid, command }) => `process ${pid}: ${command}`),
    ...linesWith("/proc/self/mountinfo", root).map((line) => `mount ${line}`),
    ...["data/containers", "data/ingest", "data/trash", "run"].flatMap((place) =>
      entriesOf(join(root, place))
        .map((name) => `${place}/${name}`)
        .filter((name) => name !== networks || !isAtRest(join(root, networks))),
    ),
    ...cgroupsOf(root).map((path) => `cgroup ${path}`),
    ...rowsOf(join(root, "data/tspod.db")),
  ];
}

const networks = "run/networks";

/** A network that is there has a directory, for the next container that comes: without a socket nobody listens. */
function isAtRest(directory: string): boolean {
  return entriesOf(directory).every((name) => !existsSync(join(directory, name, "net.sock")));
}

export interface FoundProcess {
  pid: number;
  command: string;
}

/** SIGKILL for one that was found a moment ago, and may have been faster. */
export function killIfThere(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** Processes that were started with this root in their environment, or whose root file system lies in it. */
export function processesOf(root: string): FoundProcess[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => belongsTo(`/proc/${pid}`, root))
    .map((pid) => ({
      pid: Number(pid),
      command: read(`/proc/${pid}/cmdline`).replaceAll("\0", " ").trim(),
    }));
}

function belongsTo(directory: string, root: string): boolean {
  const state = /^State:\s+(\S)/m.exec(read(`${directory}/status`))?.[1];
  if (state === undefined || state === "Z") return false; // dead; whoever is process 1 here may be late
  return (
    read(`${directory}/environ`).split("\0").includes(`TSPOD_ROOT=${root}`) ||
    read(`${directory}/cmdline`).includes(`${root}/`) ||
    linesWith(`${directory}/mountinfo`, root).length > 0 ||
    link(`${directory}/cwd`).startsWith(root)
  );
}

/**
 * They are called tspod-<id>. Others of this user may be there: of his own containers, and of tests beside this one. Whose
 * they are, the events say: of each container that ever was there is one.
 */
export function cgroupsOf(root: string): string[] {
  const unified = existsSync("/sys/fs/cgroup/cgroup.controllers")
    ? "/sys/fs/cgroup"
    : "/sys/fs/cgroup/unified";
  const ids = containersOf(root);
  return directoriesBelow(delegatedGroup() ?? unified)
    .filter((path) => ids.has(/^tspod-([0-9a-f]{64})/.exec(basename(path))?.[1] ?? ""))
    .filter((path) => statSync(path, { throwIfNoEntry: false })?.uid === process.geteuid?.());
}

function containersOf(root: string): Set<string> {
  const texts = ["events.jsonl.1", "events.jsonl"].map((name) => read(join(root, "data", name)));
  const ids = [...texts.join("").matchAll(/"id":"([0-9a-f]{64})"/g)].map(([, id = ""]) => id);
  return new Set([...ids, ...entriesOf(join(root, "data/containers"))]);
}

/** But for those of others that we may not read, or that vanish while we look. */
function directoriesBelow(directory: string): string[] {
  let entries: Dirent[];
  try {
    entries = readdirSync(directory, { withFileTypes: true });
  } catch {
    return [];
  }
  const found = entries
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => join(directory, name));
  return found.flatMap((path) => [path, ...directoriesBelow(path)]);
}

const transient = ["container", "lease", "member"];

function rowsOf(path: string): string[] {
  if (!existsSync(path)) return [];
  using database = new Database(path, { readonly: true });
  database.run("PRAGMA busy_timeout = 10000"); // ms
  return transient.flatMap((table) =>
    database
      .query(`SELECT * FROM ${table}`)
      .all()
      .map((row) => `row of ${table}: ${JSON.stringify(row).slice(0, 200)}`),
  );
}

function entriesOf(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory) : [];
}

function linesWith(file: string, text: string): string[] {
  return read(file)
    .split("\n")
    .filter((line) => line.includes(text));
}

/** "" for what is gone or somebody else's. */
function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return ""; // a process that ended while we looked
  }
}

function link(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return ""; // as above
  }
}
