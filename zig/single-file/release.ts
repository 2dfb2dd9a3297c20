/**
 * `npm run build:release`: dist/tspod-linux-x64 and dist/tspod-linux-arm64, one static file each.
 *
 * For each: Bun compiles the program for its musl build; a stub with libc in it is linked for exactly that Bun; the
 * two are fused (fuse.ts); the result is compressed into the launcher (pack.ts).
 */

import { chmodSync, mkdirSync, renameSync, rmSync } from "node:fs";
import type { BuildInfo } from "../../src/version.ts";
import { describeBuild } from "./build-info.ts";
import { inspectBun } from "./bun-executable.ts";
import { bundle } from "./bundle.ts";
import { root, run } from "./command.ts";
import { elfType, readElf } from "./elf.ts";
import { checkNative, fuse, stubFacts } from "./fuse.ts";
import { ensureMuslBun, type Target, targets } from "./musl-bun.ts";
import { pack } from "./pack.ts";
import { zig } from "./zig.ts";

/** A git host takes files of less than 50 MiB without complaint; we stay well below. */
const sizeMaxBytes = 45_000_000;

export const cache = `${root}node_modules/.cache/tspod`;

/** No names: all of them. */
export async function buildRelease(names: string[]): Promise<void> {
  const chosen = names.map((name) => {
    const target = targets.find((t) => t.name === name);
    if (!target)
      throw new Error(
        `There is no release for "${name}": say ${targets.map((t) => t.name).join(" or ")}`,
      );
    return target;
  });
  const wanted = chosen.length > 0 ? chosen : targets;
  const [only] = wanted;
  if (only === undefined || wanted.length > 1) return await buildEach(wanted);
  await buildTarget(only, await describeBuild("release", ""));
}

/** At the same time, in a process each: hardly a step of a build uses more than one processor. */
async function buildEach(wanted: Target[]): Promise<void> {
  const build = [process.execPath, `${root}build.ts`, "release"];
  const outputs = await Promise.all(wanted.map(({ name }) => run([...build, name])));
  process.stdout.write(outputs.join(""));
}

async function buildTarget(target: Target, info: BuildInfo): Promise<void> {
  const work = `${cache}/work-${target.name}-${process.pid}`;
  mkdirSync(work, { recursive: true });
  try {
    const program = await buildProgram(target, info, work);
    await zig("build", "launcher", `-Dtarget=${target.zig}`, "--prefix", work);
    const launcher = readElf("the launcher", await Bun.file(`${work}/bin/launcher`).bytes());
    const file = await pack(launcher, program, cache);
    if (file.length >= sizeMaxBytes)
      throw new Error(`The release is ${file.length} bytes: more than ${sizeMaxBytes}`);
    await publish(file, `${root}dist`, `tspod-linux-${target.name}`);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** The fused executable: what the launcher unpacks. `entry` may be another program, to test what it runs on. */
export async function buildProgram(
  target: Target,
  info: BuildInfo,
  work: string,
  entry?: string,
): Promise<Uint8Array> {
  const executable = await ensureMuslBun(target, cache);
  const outfile = `${work}/tspod`; // its name is in the program
  const carried = `${root}zig/zig-out/${target.name}`; // its path is in the program, too
  await zig("build", "hello", `-Dtarget=${target.zig}`, "--prefix", carried);
  await bundle({
    info,
    entry,
    outfile,
    embed: [`${carried}/bin/hello`],
    bun: { executable, target: target.bun },
  });
  const bun = inspectBun(readElf("Bun", await Bun.file(outfile).bytes()));
  await Bun.write(`${work}/bun.json`, JSON.stringify(stubFacts(bun)));
  await zig("build", "stub", `-Dtarget=${target.zig}`, `-Dbun=${work}/bun.json`, "--prefix", work);
  const native = await Bun.file(`${work}/native.o`).bytes();
  checkNative(readElf("the object of the native verbs", native, elfType.object));
  return fuse(bun, readElf("the stub", await Bun.file(`${work}/bin/stub`).bytes()));
}

async function publish(file: Uint8Array, directory: string, name: string): Promise<void> {
  mkdirSync(directory, { recursive: true });
  const temporary = `${directory}/${name}.tmp`;
  await Bun.write(temporary, file);
  chmodSync(temporary, 0o755);
  renameSync(temporary, `${directory}/${name}`);
  console.log(`${name}: ${file.length} bytes`);
}
