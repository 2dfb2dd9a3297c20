/** Starts the Zig compiler that npm installed. */

import { existsSync } from "node:fs";
import { root, run } from "./command.ts";

const directory = `${root}node_modules/@zigc/linux-${process.arch}`;

/** Run `zig ARGUMENTS` in the zig directory. */
export async function zig(...args: string[]): Promise<string> {
  const program = `${directory}/bin/zig`;
  if (!existsSync(program)) throw new Error(`Cannot find ${program}: run npm install`);
  return run([program, ...args], { cwd: `${root}zig` });
}
