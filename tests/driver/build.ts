/** What must be built before the tests: the release files and the development build, unless newer than all sources. */
import { statSync } from "node:fs";
import { join } from "node:path";
import { bun, type Step, treeRoot } from "./steps.ts";

export const releaseFile = join(treeRoot, `dist/tspod-linux-${process.arch}`);
const developmentFile = join(treeRoot, "dist/tspod");

/** Nothing to build when TSPOD_BIN names the file to test. */
export function buildSteps(): Step[] {
  if (process.env.TSPOD_BIN !== undefined) return [];
  return [
    { title: "release build", command: [bun, "build.ts", "release"], file: releaseFile },
    { title: "development build", command: [bun, "build.ts", "dev"], file: developmentFile },
  ].filter(({ file }) => isOlderThanSources(file));
}

function isOlderThanSources(file: string): boolean {
  const built = modified(file);
  // one by one: Bun's globs find nothing when an alternative in braces has a slash
  const directories = ["src", "zig/src", "zig/single-file", "completions"];
  const sources = directories.flatMap((directory) => [
    ...new Bun.Glob(`${directory}/**/*`).scanSync({ cwd: treeRoot, onlyFiles: true }),
  ]);
  const all = [...sources, "build.ts", "package.json", "package-lock.json", "zig/build.zig"];
  return all.some((source) => modified(join(treeRoot, source)) > built);
}

function modified(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}
