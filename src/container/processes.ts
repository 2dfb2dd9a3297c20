/**
 * Who lives in a container: the processes of its cgroup, or, where it has none, of its pid namespace. What the kernel
 * says about each is read from proc(5); one that ends meanwhile is not there.
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** A process of a container, by /proc/PID/stat and /proc/PID/status. */
export interface ContainerProcess {
  /** As the host sees it. */
  hostPid: number;
  /** As the container sees it. */
  pid: number;
  hostPpid: number;
  /** The effective ones, as the host sees them. */
  hostUid: number;
  hostGid: number;
  state: string;
  pgid: number;
  session: number;
  /** Device number of its terminal, 0 without one. */
  tty: number;
  nice: number;
  threads: number;
  /** Clock ticks: in user mode, in the kernel, and when it started after boot. */
  userTicks: number;
  kernelTicks: number;
  startTicks: number;
  virtualBytes: number;
  residentKib: number;
  command: string;
  args: string[];
  /** The rest of /proc/PID/status, by name. */
  status: ReadonlyMap<string, string>;
}

/** Clock ticks in a second (sysconf(3), _SC_CLK_TCK): Linux shows everybody 100. */
export const ticksPerSecond = 100;

/** In order of their pids. */
export function listProcesses(state: { pid: number; cgroup: string }): ContainerProcess[] {
  return pidsOf(state)
    .map(readProcess)
    .filter((found) => found !== null)
    .sort((a, b) => a.pid - b.pid);
}

export function pidsOf({ pid, cgroup }: { pid: number; cgroup: string }): number[] {
  return cgroup === "" ? pidsInNamespace(pid) : pidsInGroup(cgroup);
}

/** Groups that the container has made below its own are its as well. */
function pidsInGroup(group: string): number[] {
  try {
    const own = readFileSync(`${group}/cgroup.procs`, "latin1").split("\n").filter(Boolean);
    const below = readdirSync(group, { withFileTypes: true }).filter((entry) =>
      entry.isDirectory(),
    );
    return [...own.map(Number), ...below.flatMap(({ name }) => pidsInGroup(`${group}/${name}`))];
  } catch {
    return []; // gone meanwhile; or its processes are threads (cgroup.type), which only the group above knows
  }
}

function pidsInNamespace(pid: number): number[] {
  const namespace = namespaceOf(pid);
  if (namespace === null) return [];
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((other) => namespaceOf(other) === namespace);
}

function namespaceOf(pid: number): string | null {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`);
  } catch {
    return null; // gone, or somebody else's
  }
}

function readProcess(hostPid: number): ContainerProcess | null {
  try {
    const stat = readFileSync(`/proc/${hostPid}/stat`, "latin1");
    const status = parseStatus(readFileSync(`/proc/${hostPid}/status`, "latin1"));
    const args = readFileSync(`/proc/${hostPid}/cmdline`, "utf8").replace(/\0$/, "").split("\0");
    return parseProcess(hostPid, stat, status, args);
  } catch {
    return null; // it has ended
  }
}

/** Fields are numbered as in proc_pid_stat(5); the command may hold spaces and parentheses. */
export function parseProcess(
  hostPid: number,
  stat: string,
  status: ReadonlyMap<string, string>,
  args: string[],
): ContainerProcess {
  const end = stat.lastIndexOf(")");
  const fields = stat.slice(end + 2).split(" ");
  const number = (field: number): number => Number(fields[field - 3] ?? 0);
  const effective = (name: string): number => Number(status.get(name)?.split("\t")[1] ?? 0);
  return {
    hostPid,
    pid: Number(status.get("NSpid")?.split("\t").at(-1) ?? hostPid),
    hostPpid: number(4),
    hostUid: effective("Uid"),
    hostGid: effective("Gid"),
    state: fields[0] ?? "",
    pgid: number(5),
    session: number(6),
    tty: number(7),
    nice: number(19),
    threads: number(20),
    userTicks: number(14),
    kernelTicks: number(15),
    startTicks: number(22),
    virtualBytes: number(23),
    residentKib: Number.parseInt(status.get("VmRSS") ?? "0", 10),
    command: stat.slice(stat.indexOf("(") + 1, end),
    args: args.length === 1 && args[0] === "" ? [] : args,
    status,
  };
}

export function parseStatus(text: string): Map<string, string> {
  const lines = text.split("\n").map((line) => line.split(":\t", 2));
  return new Map(lines.map(([name = "", value = ""]) => [name, value.trim()]));
}
