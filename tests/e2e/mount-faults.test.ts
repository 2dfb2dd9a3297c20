/**
 * kill -9 at chosen system calls of `container mount` and `unmount`, in a session that goes on: there the same command works,
 * whoever starts the container meanwhile is refused for as long as it is mounted, and once the session has ended the
 * container starts as ever, with what was written.
 */
import { describe, expect } from "bun:test";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type FaultCommand, killAtAnyCall } from "../support/faults.ts";
import { leftovers } from "../support/leaks.ts";
import { tspodFile, type World } from "../support/world.ts";

/** "$0" is tspod, the rest is the command that is killed. */
const session = (script: string): string[] => [
  ...["unshare", "--mount", "--", "sh", "-c", script, tspodFile],
];

/** A session's own view, whatever has become of the command: mount, write, be refused, unmount, start. */
const goesOn = `
  dir=$("$0" mount it) && echo more >> $dir/note; "$0" start it; echo started $?
  "$0" umount it; "$0" mount; "$0" start it; echo started $?; "$0" wait it`;

const commands: FaultCommand[] = [
  {
    words: ["mount", "it"],
    around: session(`"$@" > place; status=$?; { ${goesOn}; } > said 2>&1; exit $status`),
  },
  {
    words: ["umount", "it"],
    around: session(
      `"$0" mount it > place; "$@"; status=$?; { ${goesOn}; } > said 2>&1; exit $status`,
    ),
  },
];

describe("kill -9 at any system call of", () => {
  killAtAnyCall({
    ...{ images: ["tiny"], commands, trialsEach: 3 },
    ...{ prepare, clear, expectSound },
  });
});

async function prepare(world: World): Promise<void> {
  await clear(world);
  await world.ok("create", "--name", "it", "tiny", "cat", "/note");
}

async function clear(world: World): Promise<void> {
  await world.ok("rm", "-af");
  rmSync(join(world.home, "said"), { force: true });
}

async function expectSound(world: World, what: string): Promise<void> {
  const said = readFileSync(join(world.home, "said"), "utf8");
  expect({ what, said }).toEqual({ what, said: expect.stringMatching(sound) });
  const again = await world.tspod(["start", "-a", "it"]);
  expect({ what, ...again }).toEqual({ what, exitCode: 0, stdout: "more\n", stderr: "" });
  await clear(world);
  await world.ok("ps"); // what the killed has left is the next command's
  expect({ what, left: leftovers(world.root) }).toEqual({ what, left: [] });
}

const sound =
  /^Error: The root of container "it" is mounted by a session\n.*\nstarted 125\nit\nit\nstarted 0\n0\n$/;
