/**
 * The runtimes that are judged and the place they are called in: root of a user namespace with cgroup v2 where it is
 * usually mounted, which is the least that all of them can work with on any host. Ours runs as an ordinary user as well.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { hostMapping } from "../../src/host/index.ts";
import { helperCommand } from "../../src/helper/index.ts";
import { delegatedGroup } from "../support/delegated-cgroup.ts";
import { program, type Requirement } from "../support/requirements.ts";

export interface Column {
  title: string;
  runtime: "tspod" | "crun" | "runc";
  /** Everything before the global options. */
  command: string[];
  /** What goes before a command to have it run where the runtime is, in that directory. */
  into: (directory: string) => string[];
  /** An ordinary user: config.json brings the user namespace. */
  isOrdinary: boolean;
  needs: Requirement[];
}

const mapping = hostMapping(process.env);
const needed: Requirement[] = [
  program("unshare", "util-linux"),
  program("nsenter", "util-linux"),
  program("busybox", "busybox-static"),
  () => mapping.limitation,
];

/** A process that holds the place open for as long as we live; orphans in it are reaped by the kernel. */
async function openPlace(): Promise<Column["into"]> {
  if (needed.some((requirement) => requirement() !== undefined)) return () => [];
  const script =
    "mount -t cgroup2 cgroup2 /sys/fs/cgroup; echo ready; exec env --ignore-signal=CHLD cat >/dev/null";
  const namespaces = "--user --map-auto --map-root-user --mount --cgroup --pid --fork --mount-proc";
  const unshare = ["unshare", ...namespaces.split(" "), "--kill-child", "sh", "-c", script];
  const group = delegatedGroup();
  const holder = Bun.spawn(group === undefined ? unshare : entering(makeGroup(group), unshare), {
    ...{ stdin: "pipe", stdout: "pipe", stderr: "inherit" },
  });
  holder.unref();
  const { value } = await holder.stdout.getReader().read();
  if (new TextDecoder().decode(value).trim() !== "ready") throw new Error("no place to test in");
  const its = `/proc/${holder.pid}/ns`;
  const those = `--user=${its}/user --mount=${its}/mnt --cgroup=${its}/cgroup`;
  const all = `${those} --pid=${its}/pid_for_children`.split(" ");
  if (group !== undefined) enableControllers(join(group, ourGroup));
  const there = group === undefined ? [] : entering("/sys/fs/cgroup/leaf", []);
  return (directory) => ["nsenter", ...all, `--wdns=${directory}`, "--", ...there];
}

const ourGroup = `rules-${process.pid}`;

/** A process must not be where controllers are handed on (cgroups(7)): it is in a leaf, containers beside it. */
function enableControllers(group: string): void {
  mkdirSync(join(group, "leaf"));
  for (const pid of readFileSync(join(group, "cgroup.procs"), "utf8").trim().split("\n")) {
    writeFileSync(join(group, "leaf/cgroup.procs"), pid);
  }
  const controllers = readFileSync(join(group, "cgroup.controllers"), "utf8").trim().split(" ");
  for (const one of controllers) writeFileSync(join(group, "cgroup.subtree_control"), `+${one}`);
}

function entering(group: string, command: string[]): string[] {
  return ["sh", "-c", `echo 0 >${group}/cgroup.procs; exec "$@"`, "sh", ...command];
}

/** What an earlier run left goes first: it is empty by now. */
function makeGroup(parent: string): string {
  const stale = readdirSync(parent).filter((name) => name.startsWith("rules-"));
  const names = stale.map((name) => join(parent, name));
  Bun.spawnSync([
    "sh",
    "-c",
    'rmdir "$@" 2>/dev/null',
    "sh",
    ...names.flatMap((n) => [`${n}/leaf`, n]),
  ]);
  const group = join(parent, ourGroup);
  mkdirSync(group);
  return group;
}
const into = await openPlace();
const [helper = ""] = helperCommand();

export const columns: Column[] = [
  ...(["tspod", "crun", "runc"] as const).map((runtime) => ({
    ...{ title: runtime, runtime, into, isOrdinary: false },
    command: runtime === "tspod" ? [helper, "oci"] : [runtime],
    needs: runtime === "tspod" ? needed : [...needed, program(runtime)],
  })),
  {
    ...{ title: "tspod as an ordinary user", runtime: "tspod", into: () => [], isOrdinary: true },
    ...{ command: [helper, "oci"], needs: needed },
  },
];

export { mapping };
