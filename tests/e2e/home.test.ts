/**
 * HOME is what the container's own /etc/passwd says. Who is not in it, root included, has "/", as under podman, runc
 * and crun; so has a user whose line names no directory, where those set an empty variable or none.
 */
import { describe, expect } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { registryPrograms, testWith } from "../support/requirements.ts";
import { sharedWorld } from "../support/shared-world.ts";

const test = testWith(...registryPrograms);
const shared = sharedWorld({ images: ["tiny"] });

/** A container with this /etc/passwd; null: with none. */
function withPasswd(text: string | null): string[] {
  if (text === null) return ["--tmpfs", "/etc"];
  const file = join(shared.world.home, "passwd");
  writeFileSync(file, text);
  return ["-v", `${file}:/etc/passwd`];
}

const cases: [string, string | null, string, string][] = [
  ["no passwd", null, "", "/"],
  ["no passwd", null, "0", "/"],
  ["no passwd", null, "1000", "/"],
  ["an empty one", "", "", "/"],
  ["others only", "app:x:7:7::/home/app:/bin/sh\n", "", "/"],
  ["others only", "app:x:7:7::/home/app:/bin/sh\n", "1000", "/"],
  ["the user", "app:x:7:7::/home/app:/bin/sh\n", "7", "/home/app"],
  ["the user", "app:x:7:7::/home/app:/bin/sh\n", "app", "/home/app"],
  ["root elsewhere", "root:x:0:0::/elsewhere:/bin/sh\n", "", "/elsewhere"],
  ["no directory", "root:x:0:0:::/bin/sh\n", "", "/"],
];

describe.each(cases)("%s (%j), user %j", (_, passwd, user, home) => {
  const who = user === "" ? [] : ["-u", user];

  test(`run: ${home}`, async () => {
    const words = ["run", "--rm", ...withPasswd(passwd), ...who, "tiny", "sh", "-c", "echo $HOME"];
    expect(await shared.world.ok(...words)).toBe(home);
  });

  test(`exec: ${home}`, async () => {
    const id = await shared.world.ok("run", "-d", ...withPasswd(passwd), "tiny", "sleep", "1000");
    expect(await shared.world.ok("exec", ...who, id, "sh", "-c", "echo $HOME")).toBe(home);
    await shared.world.ok("rm", "-f", id);
  });
});

test("a HOME that is given stays", async () => {
  const words = ["run", "--rm", "-e", "HOME=/given", "tiny", "sh", "-c", "echo $HOME"];
  expect(await shared.world.ok(...words)).toBe("/given");
});
