/** The same sources make the same file, wherever they lie. */
import { expect, test } from "bun:test";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { projectFiles, treeRoot } from "../support/tree.ts";

const name = `tspod-linux-${process.arch}`;

/** Build a release in this tree and return the hash of the file. */
async function build(tree: string): Promise<string> {
  const child = Bun.spawn([process.execPath, "build.ts", "release", process.arch], {
    cwd: tree,
    env: { ...process.env, GIT_OPTIONAL_LOCKS: "0" },
    stdout: "pipe",
    stderr: "pipe",
  });
  const stderr = await child.stderr.text();
  expect({ exitCode: await child.exited, stderr }).toEqual({ exitCode: 0, stderr: "" });
  const hash = new Bun.CryptoHasher("sha256");
  return hash.update(await Bun.file(join(tree, "dist", name)).bytes()).digest("hex");
}

/** A copy of the tree that shares its packages and its history, and no build caches. */
function copyTree(): string {
  const copy = mkdtempSync(join(tmpdir(), "tspod-copy-"));
  for (const path of projectFiles("**")) {
    mkdirSync(dirname(join(copy, path)), { recursive: true });
    copyFileSync(join(treeRoot, path), join(copy, path));
  }
  for (const shared of ["node_modules", ".git"]) {
    const original = join(treeRoot, shared);
    if (existsSync(original)) symlinkSync(realpathSync(original), join(copy, shared));
  }
  return copy;
}

test("two builds in two places give the same bytes", async () => {
  const [first, second] = [copyTree(), copyTree()];
  try {
    expect(await build(second)).toBe(await build(first));
  } finally {
    for (const copy of [first, second]) rmSync(copy, { recursive: true });
  }
}, 600_000);
