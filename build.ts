/**
 * Builds tspod: `bun build.ts dev` makes dist/tspod for this machine in seconds, `bun build.ts release` makes
 * dist/tspod-linux-x64 and dist/tspod-linux-arm64, one static file each (or only the ones named after it).
 * Which steps there are is said here; how each is done, in zig/single-file.
 */

import { buildDevelopment } from "./zig/single-file/development.ts";

const [kind = "dev"] = Bun.argv.slice(2);
try {
  if (kind === "dev") await buildDevelopment();
  else throw new Error(`Cannot build "${kind}": say dev or release`);
} catch (error) {
  console.error(`build: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
