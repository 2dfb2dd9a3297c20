/**
 * kill -9 of any process of ours at any of its system calls, during every command of a container's life, every other time
 * with a reboot after it. Afterwards the
 * next command works, everything there is can be inspected, what was there before still is, and all of it can be removed.
 * TSPOD_FAULTS=all tries every call of every command, which takes an hour or more; otherwise some of each, by a seed.
 */
import { describe, expect } from "bun:test";
import { type FaultCommand, killAtAnyCall, tracerPrograms } from "../support/faults.ts";
import { leftovers, processesOf } from "../support/leaks.ts";
import { reboot } from "../support/reboot.ts";
import { registryPrograms, testWith } from "../support/requirements.ts";
import { until } from "../support/wait.ts";
import type { World } from "../support/world.ts";

const test = testWith(...registryPrograms, ...tracerPrograms);

interface Command extends FaultCommand {
  /** What takes away whatever it may have made besides containers, or not. */
  after?: string[][];
}

const sleeper = ["--name", "it", "tiny", "sleep", "1000"];

const commands: Command[] = [
  { words: ["create", ...sleeper] },
  { words: ["run", "-d", ...sleeper] },
  { words: ["run", "--rm", "-d", ...sleeper] },
  { words: ["run", "tiny", "echo", "hello"] },
  { words: ["run", "--rm", "tiny", "echo", "hello"] },
  { words: ["run", "-d", "--health-cmd=true", "--health-interval=1ms", ...sleeper] },
  {
    words: [
      ...["run", "-d", "--log-opt=max-size=1k", "--log-opt=max-file=3", "--name", "it"],
      ...["tiny", "seq", "200"],
    ],
  },
  { words: ["start", "it"], before: [["create", ...sleeper]] },
  { words: ["stop", "-t", "0", "it"], before: [["run", "-d", ...sleeper]] },
  { words: ["kill", "it"], before: [["run", "-d", ...sleeper]] },
  { words: ["exec", "it", "echo", "hello"], before: [["run", "-d", ...sleeper]] },
  { words: ["rm", "it"], before: [["create", ...sleeper]] },
  { words: ["rm", "-f", "it"], before: [["run", "-d", ...sleeper]] },
  { words: ["logs", "it"], before: [["run", "-d", ...sleeper]] },
  { words: ["restart", "-t", "0", "it"], before: [["run", "-d", ...sleeper]] },
  { words: ["pause", "it"], before: [["run", "-d", ...sleeper]] },
  {
    words: ["unpause", "it"],
    before: [
      ["run", "-d", ...sleeper],
      ["pause", "it"],
    ],
  },
  { words: ["rename", "it", "renamed"], before: [["run", "-d", ...sleeper]] },
  { words: ["update", "--restart", "always", "it"], before: [["run", "-d", ...sleeper]] },
  { words: ["update", "--pids-limit", "100", "it"], before: [["create", ...sleeper]] },
  {
    words: ["update", "--health-cmd=true", "--health-interval=1ms", "it"],
    before: [["run", "-d", ...sleeper]],
  },
  {
    words: ["update", "--health-startup-cmd=true", "--health-startup-interval=1ms", "it"],
    before: [["run", "-d", "--health-cmd=true", "--health-interval=1ms", ...sleeper]],
  },
  {
    words: ["update", "--no-healthcheck", "it"],
    before: [["run", "-d", "--health-cmd=true", "--health-interval=1ms", ...sleeper]],
  },
  { words: ["run", "-d", "--restart", "on-failure:2", "--name", "it", "tiny", "false"] },
  { words: ["create", "-v", "/etc", "--name", "it", "tiny", "true"] },
  { words: ["rm", "-v", "it"], before: [["create", "-v", "/etc", "--name", "it", "tiny", "true"]] },
  {
    words: ["container", "prune", "-f", "--filter", "label!=keep"],
    before: [["create", ...sleeper]],
  },
  { words: ["volume", "create", "it"], after: [["volume", "rm", "it"]] },
  {
    words: ["volume", "rm", "it"],
    before: [["volume", "create", "it"]],
    after: [["volume", "rm", "it"]],
  },
  {
    words: ["volume", "prune", "-af"],
    before: [["volume", "create", "it"]],
    after: [["volume", "rm", "it"]],
  },
  { words: ["secret", "create", "it", "/etc/hostname"], after: [["secret", "rm", "it"]] },
  {
    words: ["secret", "rm", "it"],
    before: [["secret", "create", "it", "/etc/hostname"]],
    after: [["secret", "rm", "it"]],
  },
  { words: ["cp", "/etc/passwd", "it:/"], before: [["create", ...sleeper]] },
  { words: ["cp", "/etc/passwd", "it:/"], before: [["run", "-d", ...sleeper]] },
  { words: ["cp", "it:/etc", "copied"], before: [["create", ...sleeper]] },
  { words: ["diff", "it"], before: [["run", "-d", ...sleeper]] },
  { words: ["diff", "it", "tiny"], before: [["run", "-d", ...sleeper]] },
  {
    words: ["commit", "it", "made"],
    before: [["run", "-d", ...sleeper]],
    after: [["rmi", "made"]],
  },
];

/** Of all commands: a kill may also hit who works for one, or come too late. */
let trials = 0;
let hits = 0;

describe("kill -9 at any system call of", () => {
  killAtAnyCall<Command>({
    ...{ images: ["tiny"], commands, trialsEach: 3 },
    ...{ setUp, prepare, clear, expectSound },
    async afterKill(world, trial, { exitCode }) {
      trials += 1;
      if (exitCode !== 0) hits += 1;
      if (trial % 2 === 0) return "";
      await reboot(world);
      return ", and a reboot";
    },
  });
});

test("most kills have hit the command itself", () => {
  expect(hits * 2).toBeGreaterThanOrEqual(trials);
});

/** A container that must outlive everything, with data in its volume. */
async function setUp(world: World): Promise<void> {
  const kept = ["--name", "kept", "-l", "keep", "-v", "kept:/data", "tiny", "true"];
  await world.tspod(["create", ...kept]);
  await world.ok("run", "--rm", "-v", "kept:/data", "tiny", "sh", "-c", "echo sound >/data/it");
}

/** Only what is kept, and what the command needs. */
async function prepare(world: World, command: Command): Promise<void> {
  await clear(world, command);
  for (const words of command.before ?? []) await world.ok(...words);
}

async function clear(world: World, { after = [] }: Pick<Command, "after"> = {}): Promise<void> {
  const ids = (await world.ok("ps", "-a", "--format", "{{.ID}} {{.Names}}")).split("\n");
  const others = ids.filter((line) => line !== "" && !line.endsWith(" kept"));
  if (others.length > 0)
    await world.ok("rm", "-f", ...others.map((line) => line.split(" ")[0] ?? ""));
  for (const words of after) await world.tspod(words); // there may be nothing to remove
}

async function expectSound(world: World, what: string): Promise<void> {
  const next = await world.tspod(["run", "--rm", "-v", "kept:/data", "tiny", "cat", "/data/it"]);
  expect({ what, ...next }).toEqual({ what, exitCode: 0, stdout: "sound\n", stderr: "" });
  const listed = await world.tspod(["ps", "-a", "--format", "{{.ID}} {{.Names}} {{.State}}"]);
  expect({ what, ...listed }).toMatchObject({ what, exitCode: 0, stderr: "" });
  const rows = listed.stdout.split("\n").filter((line) => line !== "");
  expect({ what, kept: rows.some((row) => row.endsWith(" kept created")) }).toEqual({
    what,
    kept: true,
  });
  for (const row of rows) {
    const inspected = await world.tspod(["inspect", row.split(" ")[0] ?? ""]);
    expect({ what, row, ...inspected, stdout: "" }).toMatchObject({ exitCode: 0, stderr: "" });
  }
  const others = rows.filter((row) => !row.includes(" kept "));
  if (others.length > 0) {
    const removed = await world.tspod([
      "rm",
      "-f",
      ...others.map((row) => row.split(" ")[0] ?? ""),
    ]);
    expect({ what, ...removed }).toMatchObject({ exitCode: 0, stderr: "" });
  }
  await until(`${what}: all have ended`, () => processesOf(world.root).length === 0);
  await world.ok("ps"); // what the killed has left is the next command's
  const kept = leftovers(world.root).map((line) => line.replace(/[0-9a-f]{64}.*/, ""));
  expect({ what, kept }).toEqual({ what, kept: ["data/containers/", 'row of container: {"id":"'] });
}
