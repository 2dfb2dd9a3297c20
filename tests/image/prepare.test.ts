/** What a store tells the file system of its layers, once. */
import { expect } from "bun:test";
import { mkdirSync, rmSync } from "node:fs";
import { prepareStore } from "../../src/image/prepare.ts";
import { helperBuilt, makeStore } from "../support/image-store.ts";
import { program, type Requirement, testWith } from "../support/requirements.ts";
import { tmpdir } from "node:os";

/** chattr(1)'s flags of a directory; null where the file system has none. */
function flagsOf(directory: string): string | null {
  const { exitCode, stdout } = Bun.spawnSync(["lsattr", "-d", directory], { stderr: "ignore" });
  return exitCode === 0 ? (stdout.toString().split(" ")[0] ?? "") : null;
}

const flags: Requirement = () =>
  Bun.spawnSync(["stat", "-f", "-c", "%T", tmpdir()]).stdout.toString().startsWith("ext")
    ? undefined
    : "temporary files are not on ext4";
const test = testWith(helperBuilt, program("lsattr", "e2fsprogs"), flags);

test.each([
  ["new", false],
  ["copied", true],
])(
  "prepareStore() lets the layers of a %s store lie apart, and asks no helper later",
  async (_, isThere) => {
    await using store = makeStore();
    const { context } = store;
    rmSync(context.paths.layers, { recursive: true, force: true });
    if (isThere) mkdirSync(context.paths.layers);
    prepareStore(context);
    expect(flagsOf(context.paths.layers)).toContain("T");
    expect(flagsOf(context.paths.blobs)).not.toContain("T");
    prepareStore({
      ...context,
      get helper(): string[] {
        throw new Error("asked for");
      },
    });
  },
);
