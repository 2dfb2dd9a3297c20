/**
 * SIGKILL at chosen system calls instead of by luck: tracer.pl follows a command and all it starts, and kills the process
 * that makes the chosen call, before the call is carried out.
 *
 * A traced newuidmap has no privilege, so the command runs as root of a user namespace with all of the caller's ids, in
 * which nobody needs newuidmap: the store looks the same from there.
 */
import { afterAll, beforeAll } from "bun:test";
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type Random, random } from "./random.ts";
import { program, registryPrograms, type Requirement, testWith } from "./requirements.ts";
import { sharedWorld } from "./shared-world.ts";
import { until } from "./wait.ts";
import { type Result, tspodFile, type World } from "./world.ts";

/** The `nth` call that changes something of the first process of that name to make as many, counted from 1. */
interface FaultPoint {
  process: string;
  nth: number;
}

/** What the tracer needs. */
export const tracerPrograms: Requirement[] = [
  // perl-base alone does not know the numbers of system calls
  () =>
    Bun.which("perl") !== null &&
    Bun.spawnSync(["perl", "-e", 'require "sys/syscall.ph"'], { stderr: "ignore" }).success
      ? undefined
      : "no perl with sys/syscall.ph (apt-get install perl)",
  program("unshare", "util-linux"),
];

const tracer = join(import.meta.dir, "tracer.pl");

/** A user namespace for a file of tests, and the words that run a program in it once it is ready. It ends with us. */
function userNamespace(): Disposable & { enter: readonly string[]; ready(): Promise<void> } {
  const words = ["unshare", "--map-root-user", "--map-auto", "--", "sh", "-c", "echo; read _"];
  const holder = Bun.spawn(words, { stdin: "pipe", stdout: "pipe" });
  return {
    enter: ["sh", "-c", 'exec nsenter -U -t "$0" --preserve-credentials -- "$@"', `${holder.pid}`],
    /** It speaks when it is inside: before that it would be entered as the namespace that we are in. */
    async ready() {
      const { done } = await holder.stdout.getReader().read();
      if (done) throw new Error("unshare --map-auto has made no user namespace");
    },
    [Symbol.dispose]: () => holder.kill("SIGKILL"),
  };
}

/**
 * The command's end is waited for, not that of what it leaves in the background: the tracer goes on with that until it
 * ends, so no pipe of ours may be its standard output. `file` gets what the tracer tells.
 */
async function trace(
  world: World,
  { file, target }: { file: string; target: string[] },
  { words, around = [] }: FaultCommand,
): Promise<Result> {
  const [out, err] = ["stdout", "stderr"].map((name) => join(world.home, name));
  if (out === undefined || err === undefined) throw new Error("two names give two files");
  const traced = ["perl", tracer, file, ...target, tspodFile, ...words];
  const child = Bun.spawn([...world.prefix, ...around, ...traced], {
    cwd: world.home,
    env: world.environment,
    stdin: "ignore",
    stdout: Bun.file(out),
    stderr: Bun.file(err),
  });
  await child.exited;
  const [stdout, stderr] = [readFileSync(out, "utf8"), readFileSync(err, "utf8")];
  return { exitCode: child.exitCode ?? -1, stdout, stderr };
}

/**
 * Every place where a kill could make a difference in what `words` does, or what it leaves in the background does until
 * `end` is through, which must end that.
 */
async function faultPoints(
  world: World,
  command: FaultCommand,
  end: () => Promise<void>,
): Promise<FaultPoint[]> {
  const file = join(world.home, "trace");
  const { exitCode, stderr } = await trace(world, { file, target: ["-"] }, command);
  if (exitCode !== 0) throw new Error(`${command.words.join(" ")}: status ${exitCode}\n${stderr}`);
  await end();
  await until("the tracer has ended", () => !isRunning(file));
  const most = new Map<string, number>();
  for (const [, name = "", nth = ""] of readFileSync(file, "utf8").matchAll(/^(.+)\t(\d+)\t/gm)) {
    most.set(name, Math.max(most.get(name) ?? 0, Number(nth)));
  }
  rmSync(file);
  return [...most].flatMap(([name, count]) =>
    Array.from({ length: count }, (_, index) => ({ process: name, nth: index + 1 })),
  );
}

function isRunning(file: string): boolean {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .some((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "latin1").split("\0").includes(file);
      } catch {
        return false; // it ended
      }
    });
}

/** Killed: a thread may be quicker than it was, or the call comes when the command has ended. */
const nobody = "nobody";

/** Run it and kill whoever makes that call; what stays in the background is killed when it makes it later. */
async function runWithFault(
  world: World,
  command: FaultCommand,
  { process, nth }: FaultPoint,
): Promise<Result & { killed: string }> {
  const file = join(world.home, "killed");
  rmSync(file, { force: true });
  const result = await trace(world, { file, target: [process, `${nth}`] }, command);
  const [, , call = nobody] = existsSync(file) ? readFileSync(file, "utf8").split(/[\t\n]/) : [];
  return { ...result, killed: `${call}, call ${nth} of ${process}` };
}

/** A command that is killed, and what its world needs. */
export interface FaultCommand {
  words: string[];
  before?: string[][];
  /** A program with its words that runs the command, and whatever else it wants, which is not killed. */
  around?: readonly string[];
}

export interface FaultTrials<Command extends FaultCommand> {
  /** What the world has. */
  images: string[];
  commands: readonly Command[];
  /** Of each command, unless TSPOD_FAULTS=all: then every call. */
  trialsEach: number;
  /** Once for each command, before anything else. */
  setUp?(world: World): Promise<void>;
  /** Before each trial: only what is kept, and what the command needs. */
  prepare(world: World, command: Command): Promise<void>;
  /** Takes away whatever the command may have made. */
  clear(world: World, command: Command): Promise<void>;
  /** After the kill; what more has been done is said with a failure. */
  afterKill?(world: World, trial: number, result: Result): Promise<string>;
  /** What must be true after any kill. `what` says which it was. */
  expectSound(world: World, what: string, command: Command): Promise<void>;
  /** Of its test, where the words are not enough. */
  titleOf?(command: Command): string;
}

const triesAll = process.env.TSPOD_FAULTS === "all";
const testTimeoutMs = triesAll ? 7_200_000 : 120_000;

/**
 * The tests of a file: each command is killed at some of its system calls, chosen by a seed, or with TSPOD_FAULTS=all at
 * every one, which takes an hour or more.
 */
export function killAtAnyCall<Command extends FaultCommand>(trials: FaultTrials<Command>): void {
  const test = testWith(...registryPrograms, ...tracerPrograms);
  const namespace = userNamespace();
  beforeAll(() => namespace.ready());
  const shared = sharedWorld({ images: trials.images, prefix: namespace.enter });
  afterAll(() => namespace[Symbol.dispose]()); // after the world, which is removed from within

  const titleOf = (command: Command): string =>
    trials.titleOf?.(command) ?? command.words.join(" ");
  test.each(trials.commands.map((command) => [titleOf(command), command] as const))(
    "tspod %s",
    async (_, command) => {
      const { world } = shared;
      const chance = random();
      await trials.setUp?.(world);
      await trials.prepare(world, command);
      if (triesAll) {
        // what is only done once, and would not be done again by any of the trials
        await world.tspod(command.words);
        await trials.prepare(world, command);
      }
      const points = await faultPoints(world, command, () => trials.clear(world, command));
      const chosen = triesAll ? points : sample(chance, points, trials.trialsEach);
      let missed = 0;
      for (const [trial, point] of chosen.entries()) {
        await trials.prepare(world, command);
        const result = await runWithFault(world, command, point);
        const more = (await trials.afterKill?.(world, trial, result)) ?? "";
        const what = `seed ${chance.seed}: ${result.killed}${more}`;
        await trials.expectSound(world, what, command);
        if (result.killed.startsWith(nobody)) missed += 1;
      }
      if (triesAll) {
        console.log(
          `${titleOf(command)}: ${points.length} calls, ${missed} of them not made again`,
        );
      }
    },
    testTimeoutMs,
  );
}

/** `count` of them, or all when there are no more. */
function sample(chance: Random, points: readonly FaultPoint[], count: number): FaultPoint[] {
  const rest = [...points];
  const taken: FaultPoint[] = [];
  while (taken.length < count && rest.length > 0) {
    taken.push(...rest.splice(chance.below(rest.length), 1));
  }
  return taken;
}
