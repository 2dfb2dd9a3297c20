/** Tests of the release file by itself: a home of its own for each, into which it unpacks. */
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Requirement } from "./requirements.ts";
import { tspodFile } from "./world.ts";

export const isBuilt: Requirement = () =>
  existsSync(tspodFile) ? undefined : "no release file (npm run build:release)";

export const itsVersion =
  /^Version: +\d+\.\d+\.\d+\nCommit: +([0-9a-f]{40}\+? .*|unknown.*)\nBuild: +release, Bun .*, Zig /;

interface Result {
  exitCode: number | null;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  cwd?: string;
  environment?: Record<string, string>;
}

/** A directory of its own for one test, with the cache in it. */
export interface Place extends Disposable {
  directory: string;
  cache: string;
  environment: Record<string, string>;
  run(command: string[], options?: RunOptions): Promise<Result>;
  tspod(...words: string[]): Promise<Result>;
}

export function makePlace(more: Record<string, string> = {}): Place {
  const directory = mkdtempSync(join(tmpdir(), "tspod-file-"));
  const cache = join(directory, "cache");
  const runtime = join(directory, "run");
  mkdirSync(runtime, { mode: 0o700 });
  const environment = {
    ...{ HOME: directory, XDG_CACHE_HOME: cache, XDG_RUNTIME_DIR: runtime },
    ...{ PATH: process.env.PATH ?? "", ...more },
  };
  const run: Place["run"] = async (command, options = {}) => {
    const child = Bun.spawn(command, {
      cwd: options.cwd ?? directory,
      env: { ...environment, ...options.environment },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
    return { exitCode: await child.exited, stdout, stderr };
  };
  return {
    ...{ directory, cache, environment, run },
    tspod: (...words) => run([tspodFile, ...words]),
    [Symbol.dispose]: () => {
      Bun.spawnSync(["chmod", "-R", "u+w", directory]);
      rmSync(directory, { recursive: true });
    },
  };
}
