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
import { dirname, join } from "node:path";
import { projectFiles, treeRoot } from "../support/tree.ts";

const name = `tspod-linux-${process.arch}`;

/** The file under test when it is of these sources, as after `npm test` has built it: that was the first build. */
async function builtAlready(): Promise<string | undefined> {
  const file = join(treeRoot, "dist", name);
  if (process.env.TSPOD_BIN !== undefined || !existsSync(file)) return undefined;
  const told = Bun.spawnSync([file, "version", "--format", "{{.GitCommit}}"]).stdout.toString();
  const git = Bun.spawnSync(["git", "-C", treeRoot, "rev-parse", "HEAD"]).stdout.toString();
  return told.trim() !== "" && told.trim() === git.trim() ? await hashOf(file) : undefined;
}

async function hashOf(file: string): Promise<string> {
  return new Bun.CryptoHasher("sha256").update(await Bun.file(file).bytes()).digest("hex");
}

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
  return await hashOf(join(tree, "dist", name));
}

/** A copy of the tree, beside it, with the files of its packages and its history, and no build caches. */
function copyTree(): string {
  const copy = mkdtempSync(join(dirname(treeRoot), "tspod-copy-"));
  for (const path of projectFiles("**")) {
    mkdirSync(dirname(join(copy, path)), { recursive: true });
    copyFileSync(join(treeRoot, path), join(copy, path));
  }
  // not by a symlink: what is bundled would lie outside of the tree, and be named so
  const packages = realpathSync(join(treeRoot, "node_modules"));
  Bun.spawnSync(["cp", "-a", "--link", packages, join(copy, "node_modules")]);
  const history = join(treeRoot, ".git");
  if (existsSync(history)) symlinkSync(realpathSync(history), join(copy, ".git"));
  return copy;
}

test("two builds in two places give the same bytes", async () => {
  const first = await builtAlready();
  const copies = first === undefined ? [copyTree(), copyTree()] : [copyTree()];
  try {
    const hashes = first === undefined ? [] : [first];
    for (const copy of copies) hashes.push(await build(copy));
    expect(hashes).toHaveLength(2);
    expect(hashes[1]).toBe(hashes[0]);
  } finally {
    for (const copy of copies) rmSync(copy, { recursive: true });
  }
}, 600_000);
