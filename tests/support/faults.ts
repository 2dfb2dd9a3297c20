/**
 * SIGKILL at chosen system calls instead of by luck: strace(1) follows a command and all it starts, and kills whichever
 * process makes the chosen call, before the call is carried out.
 *
 * A traced newuidmap has no privilege, so the command runs as root of a user namespace with all of the caller's ids, in
 * which nobody needs newuidmap: the store looks the same from there.
 */
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Random } from "./random.ts";
import { until } from "./wait.ts";
import { type Result, tspodFile, type World } from "./world.ts";

/** The `nth` call of that name in one process, counted from 1. */
export interface FaultPoint {
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

/** A user namespace for a file of tests, and the words that run a program in it. It ends with us. */
export function userNamespace(): Disposable & { enter: readonly string[] } {
  const holder = Bun.spawn(
    ["unshare", "--map-root-user", "--map-auto", "--", "sh", "-c", "echo; read _"],
    {
      stdin: "pipe",
      stdout: "pipe",
    },
  );
  return {
    enter: ["sh", "-c", 'exec nsenter -U -t "$0" --preserve-credentials -- "$@"', `${holder.pid}`],
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
export async function faultPoints(
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
export async function runWithFault(
  world: World,
  words: string[],
  { call, nth }: FaultPoint,
): Promise<Result> {
  const inject = ["-o", "/dev/null", "-e", `inject=${call}:signal=SIGKILL:when=${nth}`];
  return trace(world, inject, words);
}

/** `count` of them, or all when there are no more. */
export function sample(chance: Random, points: readonly FaultPoint[], count: number): FaultPoint[] {
  const rest = [...points];
  const taken: FaultPoint[] = [];
  while (taken.length < count && rest.length > 0) {
    taken.push(...rest.splice(chance.below(rest.length), 1));
  }
  return taken;
}
