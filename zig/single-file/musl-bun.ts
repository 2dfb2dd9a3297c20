/**
 * Fetches Bun's musl executables. They are npm packages, but npm installs only what fits the machine it runs on, so
 * they are fetched with `npm pack` into node_modules/.cache, and must be what is pinned here.
 */

import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { root, run } from "./command.ts";

export interface Target {
  name: "x64" | "arm64";
  zig: string;
  bun: Bun.Build.CompileTarget;
  package: string;
  /** As npm says it: `npm view PACKAGE@VERSION dist.integrity`. */
  integrity: string;
}

const bunVersion = "1.4.5";

export const targets: Target[] = [
  {
    name: "x64",
    zig: "x86_64-linux-musl",
    bun: "bun-linux-x64-musl",
    package: "@oven/bun-linux-x64-musl",
    integrity:
      "sha512-10QoW/YfTgnURaGEaHpJCiXjLI2e5iTtfVDaA5JKcyUzaa1cq6cVUY9/Uq5XkYzvtRjHLRe9Oj/lTDIQcxy8HQ==",
  },
  {
    name: "arm64",
    zig: "aarch64-linux-musl",
    bun: "bun-linux-arm64-musl",
    package: "@oven/bun-linux-aarch64-musl",
    integrity:
      "sha512-XCNc+WvvMAdNNb+OWTogpy+N9wm62fkVeEVLb6how0RZhW5LPi6c7BlkeVCuWps7XjEl2saFpHFa20/1E+PAHg==",
  },
];

/** The path of a target's Bun executable. */
export async function ensureMuslBun(target: Target, cache: string): Promise<string> {
  if (Bun.version !== bunVersion) {
    throw new Error(`Bun is ${Bun.version} here but ${bunVersion} in zig/single-file/musl-bun.ts`);
  }
  const directory = `${cache}/bun-${bunVersion}-${target.name}`;
  const executable = `${directory}/package/bin/bun`;
  if (existsSync(executable)) return executable;
  const temporary = `${directory}.${process.pid}.tmp`;
  mkdirSync(temporary, { recursive: true });
  try {
    const packed = await run(
      [
        "npm",
        "pack",
        `${target.package}@${bunVersion}`,
        "--silent",
        "--pack-destination",
        temporary,
      ],
      { cwd: root },
    );
    const archive = `${temporary}/${packed.trim()}`;
    const hash = new Bun.CryptoHasher("sha512")
      .update(await Bun.file(archive).bytes())
      .digest("base64");
    if (`sha512-${hash}` !== target.integrity) {
      throw new Error(
        `${target.package}@${bunVersion} is not what is pinned: it is sha512-${hash}`,
      );
    }
    await run(["tar", "-xzf", archive, "-C", temporary]);
    rmSync(archive);
    rmSync(directory, { recursive: true, force: true });
    renameSync(temporary, directory);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
  return executable;
}
