/**
 * A disk that is full in the middle of what puts images into the store: one sentence says so, nothing is left half-done,
 * and with room it works. The disk is a small one in memory, of several sizes: each is full at another step.
 */
import { describe, expect } from "bun:test";
import { join } from "node:path";
import { registryPrograms, testWith } from "../support/requirements.ts";
import { sharedWorld } from "../support/shared-world.ts";
import { type Result, tspodFile, type World } from "../support/world.ts";

const test = testWith(...registryPrograms);
const shared = sharedWorld({ images: ["few"] });

/** KiB: none for the database, for a blob, for a tree. */
const sizes = [16, 200, 700, 1600];

const script = `
  mkdir -p small; mount -t tmpfs -o "size=$1k" small small; shift
  export TSPOD_ROOT=$PWD/small
  if "$@" >/dev/null; then exit 99; else status=$?; fi
  mount -o remount,size=100m small
  "$TSPOD" system check; "$TSPOD" images -q
  for place in ingest layers trash blobs/sha256; do
    [ ! -d small/data/$place ] || ls -A small/data/$place
  done
  "$@" >/dev/null
  exit $status`;

async function onSmallDisk(world: World, sizeKib: number, words: string[]): Promise<Result> {
  const enter = ["unshare", "--map-root-user", "--map-auto", "--mount", "--propagation", "private"];
  const command = [tspodFile, ...words];
  const child = Bun.spawn([...enter, "sh", "-euc", script, "sh", `${sizeKib}`, ...command], {
    cwd: world.home,
    env: { ...world.environment, TSPOD: tspodFile },
    ...{ stdin: "ignore", stdout: "pipe", stderr: "pipe" },
  });
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  return { exitCode: await child.exited, stdout, stderr };
}

describe("a disk that is full in the middle of", () => {
  test.each([
    ["load", ["load", "-q", "-i", "docker.tar"]],
    ["import", ["import", "-q", "root.tar", "made:1"]],
    ["artifact add", ["artifact", "add", "it", "docker.tar"]],
  ])("%s", async (_, words) => {
    const { world } = shared;
    await prepare(world);
    for (const sizeKib of sizes) {
      const { exitCode, stdout, stderr } = await onSmallDisk(world, sizeKib, words);
      const empty = "0 images, 0 blobs (0B), 0 layers: all is well\n";
      const what = { words, sizeKib, stderr };
      expect({ ...what, exitCode, stdout }).toEqual({ ...what, exitCode: 125, stdout: empty });
      expect(stderr).toMatch(
        /^Error: Cannot .*(no space left|file system is full).*\n {2}free some/,
      );
      expect(stderr.match(/Error:/g)).toHaveLength(1);
    }
  });
});

async function prepare(world: World): Promise<void> {
  if (await Bun.file(join(world.home, "root.tar")).exists()) return;
  await world.ok("save", "-o", "docker.tar", "few");
  await world.ok("create", "--name", "one", "few", "true");
  await world.ok("export", "-o", "root.tar", "one");
  await world.ok("rm", "one");
}
