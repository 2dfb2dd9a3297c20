/** What must be built before the tests: the release file of this machine, unless it is newer than all its sources. */
import { statSync } from "node:fs";
import { join } from "node:path";
import { bun, type Step, treeRoot } from "./steps.ts";

export const releaseFile = join(treeRoot, `dist/tspod-linux-${process.arch}`);

/** Nothing to build when TSPOD_BIN names the file to test. */
export function buildSteps(): Step[] {
  if (process.env.TSPOD_BIN !== undefined) return [];
  if (!isOlderThanSources(releaseFile)) return [];
  return [{ title: "release build", command: [bun, "build.ts", "release"] }];
}

function isOlderThanSources(file: string): boolean {
  const built = modified(file);
  const sources = new Bun.Glob("{src,zig/src,zig/single-file,completions}/**/*");
  const single = ["build.ts", "package.json", "package-lock.json", "zig/build.zig"];
  const all = [...sources.scanSync({ cwd: treeRoot, onlyFiles: true }), ...single];
  return all.some((source) => modified(join(treeRoot, source)) > built);
}

function modified(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}
