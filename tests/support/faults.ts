/**
 * SIGKILL at chosen system calls instead of by luck: strace(1) follows a command and all it starts, and kills whichever
 * process makes the chosen call, before the call is carried out.
 *
 * A traced newuidmap has no privilege, so the command runs as root of a user namespace with all of the caller's ids, in
 * which nobody needs newuidmap: the store looks the same from there.
 */
import { afterAll, beforeAll } from "bun:test";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type Random, random } from "./random.ts";
import { program, registryPrograms, testWith } from "./requirements.ts";
import { sharedWorld } from "./shared-world.ts";
import { until } from "./wait.ts";
import { type Result, tspodFile, type World } from "./world.ts";

/** The `nth` call of that name in one process, counted from 1. */
interface FaultPoint {
  call: string;
  nth: number;
}

/** Calls that change something another process can see; between two of them a kill leaves the same world. */
const changing =
  `openat,write,writev,pwrite64,sendto,sendmsg,rename,renameat,renameat2,mkdir,mkdirat,unlink,unlinkat,rmdir,link,linkat,
  symlink,symlinkat,ftruncate,truncate,fchmod,fchmodat,chmod,fchown,fchownat,lchown,utimensat,fsetxattr,setxattr,lsetxattr,
  fsync,fdatasync,mknodat,mount,umount2,move_mount,mount_setattr,fsmount,open_tree,pivot_root,setns,unshare,clone,clone3,
  fork,vfork,execve,execveat,bind,listen,connect,accept4,prctl,capset,setresuid,setresgid,setsid,kill,pidfd_send_signal,
  waitid,wait4,epoll_ctl,exit_group,copy_file_range,sendfile,splice,flock,fcntl`.replace(/\s/g, "");

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
 * The command's end is waited for, not that of what it leaves in the background: strace goes on with that until it ends
 * (-D), so no pipe of ours may be its standard output.
 */
async function trace(world: World, options: string[], words: string[]): Promise<Result> {
  const [out, err] = ["stdout", "stderr"].map((name) => join(world.home, name));
  if (out === undefined || err === undefined) throw new Error("two names give two files");
  const child = Bun.spawn(
    [
      ...world.prefix,
      "strace",
      "-D",
      "-qq",
      "-f",
      "-e",
      "signal=none",
      ...options,
      tspodFile,
      ...words,
    ],
    {
      cwd: world.home,
      env: world.environment,
      stdin: "ignore",
      stdout: Bun.file(out),
      stderr: Bun.file(err),
    },
  );
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
  words: string[],
  end: () => Promise<void>,
): Promise<FaultPoint[]> {
  const file = join(world.home, "trace");
  const { exitCode, stderr } = await trace(world, ["-o", file, "-e", `trace=${changing}`], words);
  if (exitCode !== 0) throw new Error(`${words.join(" ")}: status ${exitCode}\n${stderr}`);
  await end();
  await until("strace has ended", () => !isRunning(file));
  const counts = new Map<string, Map<string, number>>();
  for (const [, pid = "", call = ""] of readFileSync(file, "utf8").matchAll(/^(\d+) +(\w+)\(/gm)) {
    const ofCall = counts.get(call) ?? new Map<string, number>();
    counts.set(call, ofCall.set(pid, (ofCall.get(pid) ?? 0) + 1));
  }
  rmSync(file);
  return [...counts].flatMap(([call, ofCall]) => {
    const most = Math.max(...ofCall.values());
    return Array.from({ length: most }, (_, index) => ({ call, nth: index + 1 }));
  });
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

/** Run it and kill whoever makes that call; what stays in the background is killed when it makes it later. */
async function runWithFault(
  world: World,
  words: string[],
  { call, nth }: FaultPoint,
): Promise<Result> {
  const inject = ["-o", "/dev/null", "-e", `inject=${call}:signal=SIGKILL:when=${nth}`];
  return trace(world, inject, words);
}

/** A command that is killed, and what its world needs. */
export interface FaultCommand {
  words: string[];
  before?: string[][];
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
  const test = testWith(...registryPrograms, program("strace"));
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
      const points = await faultPoints(world, command.words, () => trials.clear(world, command));
      const chosen = triesAll ? points : sample(chance, points, trials.trialsEach);
      for (const [trial, point] of chosen.entries()) {
        await trials.prepare(world, command);
        const result = await runWithFault(world, command.words, point);
        const more = (await trials.afterKill?.(world, trial, result)) ?? "";
        const what = `seed ${chance.seed}: ${point.call} number ${point.nth}${more}`;
        await trials.expectSound(world, what, command);
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
