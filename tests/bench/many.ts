/**
 * A thousand containers and two hundred running: whether the last start costs what the first did, how long commands take
 * among so many, and what all of them use while nothing happens. Beside podman where it is installed, whose thousand take
 * minutes.
 */
import { readFileSync } from "node:fs";
import { processesOf } from "../support/leaks.ts";
import { memoryKib } from "../support/memory.ts";
import { tspodFile, type World } from "../support/world.ts";
import { command, interleave, type Measured, median } from "./measure.ts";
import type { Podman } from "./peers.ts";

export const manyCreated = 1000;
export const manyRunning = 200;
/** Starts that are "the first", and as many that are "the last". */
const endsCount = 20;
const idleMs = 10_000;

export interface Many {
  firstStartMs: number;
  lastStartMs: number;
  /** In the order of `amongMany`. */
  commands: Measured[];
  /** Of all monitors together, in percent of one processor. */
  idlePercent: number;
  /** Of one monitor: the median, and the largest. */
  monitorKib: { median: number; largest: number };
}

/** What is asked of one store of a thousand; `one` is a container that does not run. */
function amongMany(one: string): { name: string; words: string[] }[] {
  return [
    { name: "ps -a", words: ["ps", "-a"] },
    { name: "inspect", words: ["inspect", one] },
    { name: "logs", words: ["logs", one] },
  ];
}

function measureAmong(
  run: (...words: string[]) => Promise<string>,
  one: string,
  rounds: number,
): Promise<Measured[]> {
  const candidates = amongMany(one).map(({ name, words }) => ({
    name,
    run: async () => void (await run(...words)),
  }));
  return interleave(candidates, rounds);
}

export async function measureMany(world: World, image: string, rounds: number): Promise<Many> {
  const run = (...words: string[]): Promise<string> =>
    command([tspodFile, ...words], world.environment);
  const name = (index: number): string => `many-${index}`;
  for (let index = 0; index < manyCreated; index += 1) {
    await run("create", "--name", name(index), "--network", "none", image, "sleep", "100000");
  }
  const listMonitors = () =>
    processesOf(world.root).filter(({ command: words }) => words.includes("native run"));
  const others = new Set(listMonitors().map(({ pid }) => pid));
  const starts: number[] = [];
  for (let index = 0; index < manyRunning; index += 1) {
    const began = performance.now();
    await run("start", name(index));
    starts.push(performance.now() - began);
  }
  const commands = await measureAmong(run, name(manyRunning), rounds);
  const monitors = listMonitors().filter(({ pid }) => !others.has(pid));
  if (monitors.length !== manyRunning)
    throw new Error(`${monitors.length} monitors, not ${manyRunning}`);
  const pids = monitors.map(({ pid }) => pid);
  const before = ticks(pids);
  await Bun.sleep(idleMs);
  const used = ticks(pids) - before;
  const sizes = pids.map((pid) => memoryKib(pid) ?? 0).sort((a, b) => a - b);
  return {
    firstStartMs: median(starts.slice(0, endsCount)),
    lastStartMs: median(starts.slice(-endsCount)),
    commands,
    idlePercent: (used * msPerTick * 100) / idleMs,
    monitorKib: { median: median(sizes), largest: sizes.at(-1) ?? 0 },
  };
}

/** The same of podman with as many created containers; it starts none of them. */
export async function measureManyOfPodman(
  podman: Podman,
  image: string,
  rounds: number,
): Promise<Measured[]> {
  const run = (...words: string[]): Promise<string> =>
    command([...podman.words, ...words], podman.environment);
  const name = (index: number): string => `many-${index}`;
  for (let index = 0; index < manyCreated; index += 1) {
    await run("create", "--name", name(index), "--network", "none", image, "sleep", "100000");
  }
  return measureAmong(run, name(manyRunning), rounds);
}

/** sysconf(_SC_CLK_TCK) is 100 on every Linux that we run on. */
const msPerTick = 10;

/** User and system time, fields 14 and 15 of proc_pid_stat(5). */
function ticks(pids: readonly number[]): number {
  return pids
    .map((pid) => {
      const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      return Number(fields[11]) + Number(fields[12]);
    })
    .reduce((sum, each) => sum + each, 0);
}
