/**
 * A world of its own for a test: a store, a home and a runtime directory that nobody else uses, and the built file run
 * in it as a user runs it. What is left at the end is an error of the test.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sharedRegistry } from "./debian-registry.ts";
import { leftovers, processesOf } from "./leaks.ts";
import { treeRoot } from "./tree.ts";
import { until } from "./wait.ts";

/** The file under test: what is shipped, unless TSPOD_BIN says otherwise. */
export const tspodFile =
  process.env.TSPOD_BIN ?? join(treeRoot, `dist/tspod-linux-${process.arch}`);

export interface Result {
  exitCode: number;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  stdin?: string | Uint8Array | "pipe";
  environment?: Record<string, string | undefined>;
  directory?: string;
  timeoutMs?: number;
}

export interface World extends AsyncDisposable {
  /** TSPOD_ROOT: `data` and `run` are below it. */
  root: string;
  home: string;
  environment: Record<string, string>;
  prefix: readonly string[];
  /** Run tspod to its end. */
  tspod(arguments_: string[], options?: RunOptions): Promise<Result>;
  /** Run it and expect success: its standard output without the last newline. */
  ok(...arguments_: string[]): Promise<string>;
  /** Start it and let it run. */
  start(arguments_: string[], options?: RunOptions): Running;
}

export type Running = Bun.Subprocess<"pipe", "pipe", "pipe">;

export interface WorldOptions {
  /** Names of images to pull before the test. */
  images?: string[];
  /** Instead of the registry that mirrors docker.io: a registries.conf. */
  registriesConf?: string;
  /** Words before the file's: a program that runs it elsewhere. */
  prefix?: readonly string[];
}

const defaultTimeoutMs = 30_000;

export async function makeWorld(options: WorldOptions = {}): Promise<World> {
  const base = mkdtempSync(join(tmpdir(), "tspod-"));
  const root = join(base, "root");
  const home = join(base, "home");
  mkdirSync(join(home, ".config/containers"), { recursive: true });
  writeFileSync(
    join(home, ".config/containers/registries.conf"),
    options.registriesConf ?? mirrorOfDockerHub((await sharedRegistry()).address),
  );
  const environment = worldEnvironment(root, home);
  const { prefix = [] } = options;
  const start = (words: string[], run: RunOptions = {}): Running =>
    Bun.spawn([...prefix, tspodFile, ...words], {
      cwd: run.directory ?? home,
      env: defined({ ...environment, ...run.environment }),
      stdin: "pipe",
      stdout: "pipe",
      stderr: "pipe",
    });
  const tspod = (words: string[], run: RunOptions = {}): Promise<Result> =>
    finish(start(words, run), words, run);
  const ok = async (...words: string[]): Promise<string> => {
    const { exitCode, stdout, stderr } = await tspod(words);
    if (exitCode !== 0) {
      throw new Error(`tspod ${words.join(" ")}: status ${exitCode}\n${stderr}${stdout}`);
    }
    return stdout.replace(/\n$/, "");
  };
  for (const image of options.images ?? []) await ok("pull", "--quiet", image);
  return {
    ...{ root, home, environment, prefix, tspod, ok, start },
    [Symbol.asyncDispose]: () => endWorld(base, root, tspod),
  };
}

function worldEnvironment(root: string, home: string): Record<string, string> {
  return defined({
    HOME: home,
    TSPOD_ROOT: root,
    PATH: "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
    LANG: "C.UTF-8",
    TERM: "xterm",
    XDG_RUNTIME_DIR: process.env.XDG_RUNTIME_DIR,
    // what the one file unpacks is the same for every world, and unpacking is not what most tests are about
    XDG_CACHE_HOME: process.env.XDG_CACHE_HOME ?? join(process.env.HOME ?? "/", ".cache"),
  });
}

export function mirrorOfDockerHub(address: string): string {
  return `[[registry]]
location = "docker.io"
[[registry.mirror]]
location = "${address}"
insecure = true
`;
}

async function finish(child: Running, words: string[], run: RunOptions): Promise<Result> {
  const { stdin = "" } = run;
  if (stdin !== "pipe") {
    child.stdin.write(stdin);
    await Promise.resolve(child.stdin.end()).catch(() => undefined); // it may end without reading: EPIPE
  }
  const timeoutMs = run.timeoutMs ?? defaultTimeoutMs;
  const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  await child.exited;
  clearTimeout(timer);
  if (child.signalCode === "SIGKILL" && child.killed) {
    throw new Error(`tspod ${words.join(" ")}: no end within ${timeoutMs} ms\n${stderr}`);
  }
  return { exitCode: statusOf(child), stdout, stderr };
}

/** As a shell shows it: 128 + the signal when one ended the process. */
export function statusOf(child: Running): number {
  return child.exitCode ?? 128 + (signalNumbers[child.signalCode ?? ""] ?? 0);
}

const signalNumbers: Record<string, number> = {
  ...{ SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGABRT: 6, SIGKILL: 9, SIGUSR1: 10, SIGSEGV: 11 },
  ...{ SIGUSR2: 12, SIGPIPE: 13, SIGTERM: 15, SIGTSTP: 20 },
};

/** Remove every container as a user would, then insist that nothing is left, then delete the world. */
async function endWorld(base: string, root: string, tspod: World["tspod"]): Promise<void> {
  const { stdout } = await tspod(["ps", "-aq"]);
  const ids = stdout.split("\n").filter((id) => id !== "");
  if (ids.length > 0) await tspod(["rm", "-f", ...ids]);
  let left: string[] = [];
  try {
    await until("nothing is left", () => (left = leftovers(root)).length === 0);
  } catch {
    throw new Error(`Left behind by a test in ${root}:\n${left.join("\n")}`);
  } finally {
    for (const { pid } of processesOf(root)) kill(pid);
    await removeTree(base);
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // it ended by itself
  }
}

/** Layers hold files of subordinate ids, which only a user namespace with them may delete. */
async function removeTree(base: string): Promise<void> {
  await Bun.$`unshare --map-root-user --map-auto -- rm -rf ${base}`.quiet().nothrow();
  rmSync(base, { recursive: true, force: true });
}

function defined(variables: Record<string, string | undefined>): Record<string, string> {
  const entries = Object.entries(variables).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as Record<string, string>; // filtered on the line before
}
