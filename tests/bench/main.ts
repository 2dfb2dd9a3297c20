/**
 * `npm run bench`: tspod beside podman, same machine, same user, same image, same run. Medians of interleaved runs, and
 * the ratio that the goals are about. Options: --rounds N, --many (a thousand containers: takes minutes, podman's most),
 * --throughput [MEGABYTES] (only that: output through pipes and logs).
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { print, treeRoot } from "../driver/steps.ts";
import { startRegistry } from "../support/debian-registry.ts";
import { processesOf } from "../support/leaks.ts";
import { type Bare, measureBare } from "./bare-runtime.ts";
import { memoryKib, processesLike } from "../support/memory.ts";
import { makeWorld, mirrorOfDockerHub, tspodFile, type World } from "../support/world.ts";
import { type Candidate, command, interleave, type Measured } from "./measure.ts";
import { manyCreated, manyRunning, measureMany, measureManyOfPodman } from "./many.ts";
import { type Podman, preparePodman } from "./peers.ts";

interface Bench {
  name: string;
  /** Ours over podman's, at most. */
  goal?: number;
  /** Ours, at most. */
  goalMs?: number;
  tspod: string[][];
  podman: string[][];
}

const alpine = "alpine";
const rounds = Number(/^\d+$/.exec(process.argv[process.argv.indexOf("--rounds") + 1] ?? "") ?? 21);

const wantsMany = process.argv.includes("--many");

const isolated = ["--network", "none"];
const sleeper = ["sleep", "1000"];

const benches: Bench[] = [
  {
    name: "run --rm --network none alpine true",
    goal: 0.35,
    tspod: [["run", "--rm", ...isolated, alpine, "true"]],
    podman: [["run", "--rm", ...isolated, alpine, "true"]],
  },
  { name: "version | podman --version", goal: 1, tspod: [["version"]], podman: [["--version"]] },
  {
    name: "exec true",
    goal: 0.2,
    tspod: [["exec", "bench", "true"]],
    podman: [["exec", "bench", "true"]],
  },
  {
    name: "run -d, rm -f",
    goal: 0.2,
    tspod: [
      ["run", "-d", "--name", "x", ...isolated, alpine, ...sleeper],
      ["rm", "-f", "x"],
    ],
    podman: [
      ["run", "-d", "--name", "x", ...isolated, alpine, ...sleeper],
      ["rm", "-f", "-t", "0", "x"],
    ],
  },
  { name: "ps", tspod: [["ps"]], podman: [["ps"]] },
  { name: "images", tspod: [["images"]], podman: [["images"]] },
  {
    name: "a name completed",
    goalMs: 50,
    tspod: [["__complete", "--", "logs", "ben"]],
    podman: [["__complete", "logs", "ben"]],
  },
  { name: "inspect", goal: 0.2, tspod: [["inspect", "bench"]], podman: [["inspect", "bench"]] },
  { name: "logs", goal: 0.2, tspod: [["logs", "bench"]], podman: [["logs", "bench"]] },
  {
    name: "cp into it and out of it",
    tspod: [
      ["cp", "/etc/services", "bench:/tmp/services"],
      ["cp", "bench:/tmp/services", "-"],
    ],
    podman: [
      ["cp", "/etc/services", "bench:/tmp/services"],
      ["cp", "bench:/tmp/services", "-"],
    ],
  },
  {
    name: "commit, rmi",
    tspod: [
      ["commit", "-q", "halted", "made"],
      ["rmi", "made"],
    ],
    podman: [
      ["commit", "-q", "halted", "made"],
      ["rmi", "made"],
    ],
  },
  {
    name: "start, stop -t 0",
    goal: 0.2,
    tspod: [
      ["start", "halted"],
      ["stop", "-t", "0", "halted"],
    ],
    podman: [
      ["start", "halted"],
      ["stop", "-t", "0", "halted"],
    ],
  },
];

if (process.argv.includes("--throughput")) await import("./throughput.ts");
await main();
process.exit(); // what still holds the event loop is a registry that has been killed

/** Measure and print; the world and podman's store are gone afterwards. */
async function main(): Promise<void> {
  using registry = await startRegistry();
  const registriesConf = mirrorOfDockerHub(registry.address);
  const world = await makeWorld({ images: [alpine], registriesConf });
  const image = `${registry.address}/library/alpine:latest`;
  try {
    await compare(world, image);
  } finally {
    await world[Symbol.asyncDispose]();
  }
}

async function compare(world: World, image: string): Promise<void> {
  const { TSPOD_ROOT: _, ...environment } = world.environment;
  const podman = await preparePodman(world.home, image, environment);
  if (podman === undefined) print("podman is not installed: only tspod is measured");
  await world.ok("run", "-d", "--name", "bench", ...isolated, alpine, ...sleeper);
  await world.ok("create", "--name", "halted", ...isolated, alpine, ...sleeper);
  try {
    if (podman !== undefined) {
      for (const [verb, ...words] of [
        ["run", "-d", "--name", "bench"],
        ["create", "--name", "halted"],
      ]) {
        const all = [verb ?? "", ...words, ...isolated, image, ...sleeper];
        await command([...podman.words, ...all], podman.environment);
      }
    }
    print(`${tspodFile}, medians of ${rounds} interleaved runs\n`);
    print(line("", "tspod", "podman", "ratio", "goal"));
    for (const bench of benches) {
      const measured = await interleave(candidatesOf(bench, world, podman, image), rounds);
      print(formatRow(bench, measured));
    }
    await printStarts(world);
    await printRuntimes(world);
    printMemory(world);
    if (wantsMany) await printMany(world, podman, image);
  } catch (error) {
    print(String(error));
    process.exitCode = 1;
  } finally {
    await podman?.remove();
  }
}

function candidatesOf(
  bench: Bench,
  world: World,
  podman: Podman | undefined,
  image: string,
): Candidate[] {
  const all = (name: string, words: string[][], prefix: string[], env: Record<string, string>) => ({
    name,
    run: async () => {
      for (const each of words) {
        await command(
          [...prefix, ...each.map((word) => (name === "podman" && word === alpine ? image : word))],
          env,
        );
      }
    },
  });
  const ours = all("tspod", bench.tspod, [tspodFile], world.environment);
  if (podman === undefined) return [ours];
  return [ours, all("podman", bench.podman, podman.words, podman.environment)];
}

function formatRow(bench: Bench, [ours, theirs]: Measured[]): string {
  const ms = (measured: Measured | undefined) =>
    measured ? `${measured.medianMs.toFixed(1)} ms` : "-";
  const ratio = ours && theirs ? ours.medianMs / theirs.medianMs : undefined;
  return line(
    bench.name,
    ms(ours),
    ms(theirs),
    ratio?.toFixed(2) ?? "-",
    goalCell(ratio, bench.goal) || goalCell(ours?.medianMs, bench.goalMs, " ms"),
  );
}

function goalCell(value: number | undefined, goal: number | undefined, unit = ""): string {
  if (goal === undefined) return "";
  const most = `${goal}${unit}`;
  return value === undefined ? most : `${most} ${value <= goal ? "held" : "MISSED"}`;
}

function line(...[name = "", ...cells]: string[]): string {
  return `${name.padEnd(38)}${cells.map((cell) => cell.padStart(12)).join("")}`.trimEnd();
}

/** What the single file costs: its start beside that of the development build, which is unpacked already. */
async function printStarts(world: World): Promise<void> {
  const development = join(treeRoot, "dist/tspod");
  if (!existsSync(development) || development === tspodFile) return;
  const start = (file: string): Candidate => ({
    name: file,
    run: async () => void (await command([file, "version"], world.environment)),
  });
  const [ours, theirs] = await interleave([start(tspodFile), start(development)], rounds);
  if (ours === undefined || theirs === undefined) return;
  const costs = `${(ours.medianMs - theirs.medianMs).toFixed(1)} ms more than the development build`;
  print(`\nversion: ${ours.medianMs.toFixed(1)} ms, ${costs} (goal: 3 ms)`);
}

/** The runtime alone, without a store, names, logs or a network: the floor under all of the above. */
async function printRuntimes(world: World): Promise<void> {
  const { TSPOD_ROOT: _, ...environment } = world.environment;
  const [ours, ...peers] = await measureBare(tspodFile, world.home, rounds, environment);
  if (ours === undefined) return;
  const goals: Record<string, number> = { crun: 1, runc: 0.5 };
  const row = (
    what: string,
    name: string,
    show: (bare: Bare) => string,
    of: (b: Bare) => number,
    goal?: number,
  ) => {
    const peer = peers.find((candidate) => candidate.name === name);
    if (peer === undefined) return print(`${what}: ${name} is not installed`);
    const ratio = of(ours) / of(peer);
    print(line(what, show(ours), show(peer), ratio.toFixed(2), goalCell(ratio, goal)));
  };
  print(
    `\n${line("a bundle of true, in one user namespace", "tspod-oci", "peer", "ratio", "goal")}`,
  );
  for (const name of ["crun", "runc"]) {
    row(
      `run | ${name} run`,
      name,
      (b) => `${b.medianMs.toFixed(1)} ms`,
      (b) => b.medianMs,
      goals[name],
    );
    row(
      `peak memory | ${name}`,
      name,
      (b) => `${Math.round(b.peakKib)} KiB`,
      (b) => b.peakKib,
      1,
    );
  }
}

/** The monitor of the container "bench" beside podman's conmon. */
function printMemory(world: World): void {
  const rest = sleeper.join(" ");
  const monitors = processesOf(world.root)
    .filter(({ command: words }) => words !== rest)
    .map(({ pid }) => pid);
  const conmons = processesLike((words) => /^\S*conmon /.test(words) && words.includes(world.home));
  const sizes = (pids: number[]) => pids.map((pid) => `${memoryKib(pid) ?? "?"} KiB`).join(", ");
  print("\nmemory of what stays with a detached container (tspod: resident; conmon: Pss):");
  print(`  tspod   ${sizes(monitors) || "-"}`);
  print(`  conmon  ${sizes(conmons) || "-"}`);
}

async function printMany(world: World, podman: Podman | undefined, image: string): Promise<void> {
  const many = await measureMany(world, alpine, rounds);
  const theirs =
    podman === undefined ? undefined : await measureManyOfPodman(podman, image, rounds);
  const { firstStartMs, lastStartMs, commands, idlePercent, monitorKib } = many;
  print(`\n${manyCreated} containers, ${manyRunning} of them running (podman: none):`);
  const grown = lastStartMs / firstStartMs;
  print(
    `  start: the first ${firstStartMs.toFixed(1)} ms, the last ${lastStartMs.toFixed(1)} ms, ${grown.toFixed(2)} (goal: 1.5)`,
  );
  for (const [index, { name, medianMs }] of commands.entries()) {
    const peer = theirs?.[index]?.medianMs;
    const ratio =
      peer === undefined ? "" : `, podman ${peer.toFixed(1)} ms, ${(medianMs / peer).toFixed(2)}`;
    print(`  ${name}: ${medianMs.toFixed(1)} ms (goal: 60 ms)${ratio} (goal: 0.2)`);
  }
  print(`  idle: ${idlePercent.toFixed(2)} % of one processor, all monitors together`);
  print(
    `  a monitor: ${monitorKib.median} KiB, the largest ${monitorKib.largest} KiB (goal: 563 KiB)`,
  );
}
