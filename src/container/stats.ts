/**
 * What a running container uses, from the files of its cgroup (cgroup-v2.rst) and of its network namespace. Where the
 * kernel does not count something for it, that is null: nothing is guessed.
 */
import { readFileSync } from "node:fs";
import type { Container } from "./find.ts";
import { pidsOf, listProcesses, ticksPerSecond } from "./processes.ts";

export interface Sample {
  /** When it was taken, and when the container was started: milliseconds since 1970. */
  atMs: number;
  startedMs: number;
  /** Microseconds of processor time. */
  cpuUs: number;
  systemUs: number;
  memoryBytes: number | null;
  /** Its own, or the memory of the machine. */
  memoryLimitBytes: number;
  netInBytes: number | null;
  netOutBytes: number | null;
  blockInBytes: number | null;
  blockOutBytes: number | null;
  pids: number;
}

/** Null: it does not run any more. */
export function sampleContainer({ state }: Container): Sample | null {
  if (state.status !== "running") return null;
  const { pid, cgroup, startedAt } = state;
  const cpu = cgroup === "" ? processorOfAll(state) : processorOf(cgroup);
  if (cpu === null) return null;
  const [netInBytes, netOutBytes] = network(pid);
  const [blockInBytes, blockOutBytes] = blocks(cgroup);
  return {
    ...{ atMs: Date.now(), startedMs: Date.parse(startedAt), ...cpu },
    memoryBytes: memory(cgroup),
    memoryLimitBytes: memoryLimit(cgroup),
    ...{ netInBytes, netOutBytes, blockInBytes, blockOutBytes },
    pids: number(read(`${cgroup}/pids.current`)) ?? pidsOf(state).length,
  };
}

/** Percent of one processor since `before`, or, without it, since the container was started. */
export function cpuPercent(now: Sample, before: Sample | null): number {
  const [fromMs, usedUs] = before === null ? [now.startedMs, 0] : [before.atMs, before.cpuUs];
  const elapsedMs = now.atMs - fromMs;
  return elapsedMs <= 0 ? 0 : Math.max(0, (now.cpuUs - usedUs) / 1000 / elapsedMs) * 100;
}

type Processor = Pick<Sample, "cpuUs" | "systemUs">;

function processorOf(cgroup: string): Processor | null {
  const text = read(`${cgroup}/cpu.stat`);
  if (text === null) return null;
  return { cpuUs: field(text, "usage_usec") ?? 0, systemUs: field(text, "system_usec") ?? 0 };
}

/** Without a cgroup: of those that are there now, so it can become less. */
function processorOfAll(state: { pid: number; cgroup: string }): Processor | null {
  const all = listProcesses(state);
  if (all.length === 0) return null;
  const us = (ticks: number): number => (ticks / ticksPerSecond) * 1e6;
  return {
    cpuUs: us(all.reduce((sum, each) => sum + each.userTicks + each.kernelTicks, 0)),
    systemUs: us(all.reduce((sum, each) => sum + each.kernelTicks, 0)),
  };
}

/** As docker counts it: what the kernel would give up first is not in use. */
function memory(cgroup: string): number | null {
  const current = number(read(`${cgroup}/memory.current`));
  if (current === null) return null;
  const inactive = field(read(`${cgroup}/memory.stat`) ?? "", "inactive_file") ?? 0;
  return inactive < current ? current - inactive : current;
}

function memoryLimit(cgroup: string): number {
  const host = (field(readFileSync("/proc/meminfo", "latin1"), "MemTotal:") ?? 0) * 1024;
  return Math.min(number(read(`${cgroup}/memory.max`)) ?? Infinity, host);
}

/** proc_pid_net(5), dev: of every interface but the loopback. */
function network(pid: number): [number | null, number | null] {
  const text = read(`/proc/${pid}/net/dev`);
  if (text === null) return [null, null];
  let [received, sent] = [0, 0];
  for (const line of text.split("\n").slice(2)) {
    const [name = "", rest = ""] = line.trim().split(/:\s*/, 2);
    if (name === "" || name === "lo") continue;
    const columns = rest.split(/\s+/).map(Number);
    received += columns[0] ?? 0;
    sent += columns[8] ?? 0;
  }
  return [received, sent];
}

function blocks(cgroup: string): [number | null, number | null] {
  const text = read(`${cgroup}/io.stat`);
  if (text === null) return [null, null];
  const sum = (key: string): number =>
    [...text.matchAll(new RegExp(`\\b${key}=(\\d+)`, "g"))].reduce(
      (all, [, n]) => all + Number(n),
      0,
    );
  return [sum("rbytes"), sum("wbytes")];
}

/** Null where the controller is not there (or the container no more). */
function read(path: string): string | null {
  if (!path.startsWith("/sys/") && !path.startsWith("/proc/")) return null; // no cgroup
  try {
    return readFileSync(path, "latin1");
  } catch {
    return null; // no such controller, or the container has ended
  }
}

/** "max" is no number. */
function number(text: string | null): number | null {
  const value = Number.parseInt(text ?? "", 10);
  return Number.isNaN(value) ? null : value;
}

function field(text: string, name: string): number | null {
  const line = text.split("\n").find((each) => each.startsWith(`${name} `));
  return line === undefined ? null : number(line.slice(name.length).trim());
}
