/**
 * kill -9 of tspod, of the monitor and of the container's first process at random moments of pull and run. The next
 * command must work, what was stored before must still be there, and nothing may be left once it has run.
 */
import { expect } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { type FoundProcess, leftovers, processesOf } from "../support/leaks.ts";
import { type Random, random } from "../support/random.ts";
import { registryPrograms, testWith } from "../support/requirements.ts";
import { delay, until } from "../support/wait.ts";
import { makeWorld, type World } from "../support/world.ts";

const test = testWith(...registryPrograms);
const trials = 200;
const timeoutMs = 600_000;

/** Longer than a run or a small pull takes: some kills come too late, which is a moment too. */
const latestKillMs = 60;

const commands: { words: string[] }[] = [
  { words: ["run", "--rm", "tiny", "sh", "-c", "echo x; sleep 0.02"] },
  { words: ["run", "--rm", "-i", "tiny", "cat"] },
  { words: ["run", "-d", "--rm", "tiny", "sleep", "0.02"] },
  { words: ["run", "-d", "tiny", "sleep", "1000"] },
  { words: ["pull", "-q", "layered"] },
  { words: ["run", "--rm", "layered", "true"] },
];

test(
  `kill -9, ${trials} times`,
  async () => {
    expect(await firstFailure(random())).toEqual([]);
  },
  timeoutMs,
);

/** What went wrong first, and what the world's end has to say to it; empty when all is well. */
async function firstFailure(chance: Random): Promise<string[]> {
  const failures: string[] = [];
  const note = (error: unknown): void => void failures.push(String(error));
  const world = await makeWorld({ images: ["tiny"] });
  await killAgainAndAgain(world, chance).catch(note);
  try {
    await world[Symbol.asyncDispose]();
  } catch (error) {
    note(error);
  }
  return failures;
}

async function killAgainAndAgain(world: World, chance: Random): Promise<void> {
  await world.ok("create", "--name", "kept", "tiny", "sh", "-c", "echo still here");
  for (let trial = 0; trial < trials; trial += 1) {
    const { words } = chance.pick(commands);
    const what = await killOnce(world, words, chance);
    await expectSound(world, `seed ${chance.seed}, trial ${trial}: ${what}`);
  }
  await world.ok("rm", "kept");
  await world.ok("rmi", "tiny");
  for (const place of ["layers", "blobs/sha256"]) {
    expect(readdirSync(join(world.root, "data", place))).toEqual([]);
  }
}

/** Start the command, kill one of its processes at some moment; says what was done. */
async function killOnce(world: World, words: string[], chance: Random): Promise<string> {
  const child = world.start(words);
  const moment = chance.next() * latestKillMs;
  await delay(moment);
  const victims = processesOf(world.root);
  const victim: FoundProcess =
    victims.length > 0 ? chance.pick(victims) : { pid: child.pid, command: "" };
  try {
    process.kill(victim.pid, "SIGKILL");
  } catch {
    // it was faster
  }
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
