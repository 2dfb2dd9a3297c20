/**
 * Builds tspod: `bun build.ts dev` makes dist/tspod for this machine in seconds, `bun build.ts release` makes
 * dist/tspod-linux-x64 and dist/tspod-linux-arm64, one static file each (or only x64, or arm64, when that is named after it).
 * Which steps there are is said here; how each is done, in zig/single-file.
 */

import { buildDevelopment } from "./zig/single-file/development.ts";
import { buildRelease } from "./zig/single-file/release.ts";

const [kind = "dev", ...names] = Bun.argv.slice(2);
try {
  if (kind === "dev") await buildDevelopment();
  else if (kind === "release") await buildRelease(names);
  else throw new Error(`Cannot build "${kind}": say dev or release`);
} catch (error) {
  console.error(`build: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
