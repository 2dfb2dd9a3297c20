/** Starts the Zig compiler that npm installed. */

import { existsSync } from "node:fs";
import packageJson from "../../package.json";
import { root, run } from "./command.ts";

const directory = `${root}node_modules/@zigc/linux-${process.arch}`;

/** Run `zig ARGUMENTS` in the zig directory; what is built there is of our version. */
export async function zig(...args: string[]): Promise<string> {
  const program = `${directory}/bin/zig`;
  if (!existsSync(program)) throw new Error(`Cannot find ${program}: run npm install`);
  const version = args[0] === "build" ? [`-Dversion=${packageJson.version}`] : [];
  return run([program, ...args, ...version], { cwd: `${root}zig` });
}
