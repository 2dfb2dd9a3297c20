/**
 * kill -9 at chosen system calls of the commands that make, fill and remove volumes and secrets: afterwards a volume is
 * there as a whole or not at all, a half-made copy of the image's files is never taken for all of them, what others have
 * is untouched, and nothing is left once the next command has run.
 */
import { describe, expect } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { type FaultCommand, killAtAnyCall } from "../support/faults.ts";
import { leftovers } from "../support/leaks.ts";
import type { World } from "../support/world.ts";

const commands: FaultCommand[] = [
  { words: ["volume", "create", "it"] },
  {
    words: ["volume", "rm", "it"],
    before: [["run", "--rm", "-v", "it:/x", "tiny", "touch", "/x/y"]],
  },
  { words: ["volume", "prune", "-a", "-f"], before: [["volume", "create", "it"]] },
  { words: ["create", "--name", "user", "-v", "it:/data", "volumes"] },
  { words: ["run", "--rm", "-v", "it:/data", "volumes", "true"] },
  { words: ["rm", "-v", "user"], before: [["create", "--name", "user", "volumes"]] },
  { words: ["secret", "create", "it", "/etc/passwd"] },
  { words: ["create", "--name", "user", "--secret", "kept", "tiny"] },
];

describe("kill -9 at any system call of", () => {
  killAtAnyCall({
    ...{ images: ["tiny", "volumes"], commands, trialsEach: 3 },
    ...{ prepare, clear, expectSound },
  });
});

/** What is kept, with a user, and what the command needs. */
async function prepare(world: World, { before = [] }: FaultCommand): Promise<void> {
  await clear(world);
  await world.tspod(["secret", "create", "kept", "/etc/hostname"]);
  const write = ["tiny", "sh", "-c", "echo mine > /x/mine"];
  await world.ok("run", "--name", "holder", "-v", "kept:/x", ...write);
  for (const words of before) await world.ok(...words);
}

async function clear(world: World): Promise<void> {
  const names = (await world.ok("ps", "-a", "--format", "{{.Names}}")).split("\n").filter(Boolean);
  if (names.length > 0) await world.ok("rm", "-f", "-v", ...names);
  await world.tspod(["volume", "rm", "-a"]);
  await world.tspod(["secret", "rm", "-a"]);
}

async function expectSound(world: World, what: string): Promise<void> {
  const next = await world.tspod(["run", "--rm", "-v", "kept:/x", "tiny", "cat", "/x/mine"]);
  expect({ what, ...next }).toEqual({ what, exitCode: 0, stdout: "mine\n", stderr: "" });
  const secret = await world.tspod(["secret", "exists", "kept"]);
  expect({ what, ...secret }).toMatchObject({ what, exitCode: 0 });
  await expectWhole(world, what);
  await clear(world);
  await world.ok("ps"); // what the killed has left is the next command's
  expect({ what, left: leftovers(world.root) }).toEqual({ what, left: [] });
  expect({ what, left: readdirSync(join(world.root, "data/volumes")) }).toEqual({ what, left: [] });
}

/** Whatever became of it before: with the image's files at its place the volume has all of them, or its own. */
async function expectWhole(world: World, what: string): Promise<void> {
  const look = [
    "volumes",
    "sh",
    "-c",
    "ls /data; cat /data/deep/file 2>/dev/null; stat -c %a:%u /data",
  ];
  const words = ["run", "--rm", "--image-volume=ignore", "-v", "it:/data", ...look];
  const { exitCode, stdout, stderr } = await world.tspod(words);
  expect({ what, exitCode, stderr }).toEqual({ what, exitCode: 0, stderr: "" });
  const isWhole = stdout === "deep\nlink\nmine\ntwo2770:1000\n";
  const isOwn = stdout.startsWith("y\n");
  expect({ what, stdout, isSound: isWhole || isOwn }).toMatchObject({ what, isSound: true });
}
