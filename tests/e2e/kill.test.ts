/**
 * kill -9 of tspod, of the monitor, of another runtime and of the container's first process at random moments of pull and
 * run. The next command must work, what was stored before must still be there, and nothing may be left once it has run.
 */
import { expect } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { type FoundProcess, killIfThere, leftovers, processesOf } from "../support/leaks.ts";
import { type Random, random } from "../support/random.ts";
import { program, registryPrograms, testWith } from "../support/requirements.ts";
import { delay, until } from "../support/wait.ts";
import { makeWorld, type World } from "../support/world.ts";

const test = testWith(...registryPrograms);
const ownTrials = 40;
const foreignTrials = 10;
const timeoutMs = 600_000;

interface Trials {
  commands: readonly Command[];
  count: number;
  /** Longer than a run or a small pull takes: some kills come too late, which is a moment too. */
  latestKillMs: number;
}

interface Command {
  words: string[];
}

const commands: Command[] = [
  { words: ["run", "--rm", "tiny", "sh", "-c", "echo x; sleep 0.02"] },
  { words: ["run", "--rm", "-i", "tiny", "cat"] },
  { words: ["run", "-d", "--rm", "tiny", "sleep", "0.02"] },
  { words: ["run", "-d", "tiny", "sleep", "1000"] },
  { words: ["pull", "-q", "layered"] },
  { words: ["run", "--rm", "layered", "true"] },
];

const foreignCommands = (runtime: string): Command[] =>
  commands
    .filter(({ words: [verb] }) => verb === "run")
    .map(({ words: [verb = "", ...rest] }) => ({ words: [verb, "--runtime", runtime, ...rest] }));

test(
  `kill -9, ${ownTrials} times`,
  async () => {
    expect(await firstFailure(random(), { commands, count: ownTrials, latestKillMs: 60 })).toEqual(
      [],
    );
  },
  timeoutMs,
);

for (const runtime of ["crun", "runc"]) {
  testWith(...registryPrograms, program(runtime))(
    `kill -9 under ${runtime}, ${foreignTrials} times`,
    async () => {
      expect(
        await firstFailure(random(), {
          commands: foreignCommands(runtime),
          count: foreignTrials,
          latestKillMs: 200,
        }),
      ).toEqual([]);
    },
    timeoutMs,
  );
}

/** What went wrong first, and what the world's end has to say to it; empty when all is well. */
async function firstFailure(chance: Random, trials: Trials): Promise<string[]> {
  const failures: string[] = [];
  const note = (error: unknown): void => void failures.push(String(error));
  const world = await makeWorld({ images: ["tiny"] });
  await killAgainAndAgain(world, chance, trials).catch(note);
  try {
    await world[Symbol.asyncDispose]();
  } catch (error) {
    note(error);
  }
  return failures;
}

async function killAgainAndAgain(world: World, chance: Random, trials: Trials): Promise<void> {
  await world.ok("create", "--name", "kept", "tiny", "sh", "-c", "echo still here");
  for (let trial = 0; trial < trials.count; trial += 1) {
    const { words } = chance.pick(trials.commands);
    const what = await killOnce(world, words, chance, trials.latestKillMs);
    await expectSound(world, `seed ${chance.seed}, trial ${trial}: ${what}`);
  }
  await world.ok("rm", "kept");
  await world.ok("rmi", "tiny");
  for (const place of ["layers", "blobs/sha256"]) {
    expect(readdirSync(join(world.root, "data", place))).toEqual([]);
  }
}

/** Start the command, kill one of its processes at some moment; says what was done. */
async function killOnce(
  world: World,
  words: string[],
  chance: Random,
  latestMs: number,
): Promise<string> {
  const child = world.start(words);
  const moment = chance.next() * latestMs;
  await delay(moment);
  const victims = processesOf(world.root);
  const victim: FoundProcess =
    victims.length > 0 ? chance.pick(victims) : { pid: child.pid, command: "" };
  killIfThere(victim.pid);
  child.stdin.end();
  await Promise.all([child.stdout.text(), child.stderr.text()]);
  await child.exited;
  return `${words.join(" ")}, after ${moment.toFixed(1)} ms: ${victim.pid} ${victim.command}`;
}

async function expectSound(world: World, what: string): Promise<void> {
  const next = await world.tspod(["run", "--rm", "tiny", "echo", "sound"]);
  expect({ what, ...next }).toEqual({ what, exitCode: 0, stdout: "sound\n", stderr: "" });
  const names = (await world.ok("ps", "-a", "--format", "{{.Names}}")).split("\n");
  expect({ what, kept: names.includes("kept") }).toEqual({ what, kept: true });
  const others = names.filter((name) => name !== "kept" && name !== "");
  if (others.length > 0) await world.tspod(["rm", "-f", ...others]);
  // half of a blob is kept for the next pull, which goes on from there
  await world.ok("pull", "-q", "layered");
  await world.ok("rmi", "layered");
  let left: string[] = [];
  try {
    await until("only what is kept is left", () => {
      left = leftovers(world.root).filter(
        (line) => !/^data\/containers\/|^row of container/.test(line),
      );
      return left.length === 0;
    });
  } catch {
    expect({ what, left }).toEqual({ what, left: [] });
  }
  const kept = leftovers(world.root).filter((line) => line.startsWith("data/containers/"));
  expect({ what, count: kept.length }).toEqual({ what, count: 1 });
}
