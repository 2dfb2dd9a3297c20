/** run --rmi and --personality: an image that goes with its container, a kernel that says it is another. */
import { describe, expect } from "bun:test";
import { createBox, runBox } from "../support/boxes.ts";
import { registryPrograms, testWith } from "../support/requirements.ts";
import { sharedWorld } from "../support/shared-world.ts";
import { until } from "../support/wait.ts";

const test = testWith(...registryPrograms);
const shared = sharedWorld({ images: ["tiny"] });
const ok = (...words: string[]) => shared.world.ok(...words);
const tspod = (...words: string[]) => shared.world.tspod(words);
const isThere = async (name: string): Promise<boolean> =>
  (await tspod("image", "exists", name)).exitCode === 0;

async function makeImage(name: string): Promise<void> {
  await using box = await createBox(shared.world, "tiny", "true");
  await ok("commit", "-q", box.id, name);
}

describe("run --rmi", () => {
  test("takes the container and its image; the exit code is the program's", async () => {
    await makeImage("own:once");
    const { exitCode, stderr } = await tspod("run", "--rmi", "own:once", "sh", "-c", "exit 7");
    expect([exitCode, stderr]).toEqual([7, ""]);
    expect(await isThere("own:once")).toBe(false);
    expect(await ok("ps", "-aq")).toBe("");
  });

  test("takes only the name where the image has others", async () => {
    await ok("tag", "tiny", "second:name");
    await ok("run", "--rm", "--rmi", "second:name", "true");
    expect([await isThere("second:name"), await isThere("tiny")]).toEqual([false, true]);
  });

  test("leaves an image that another container stands on, without a word", async () => {
    await makeImage("own:used");
    await using _box = await createBox(shared.world, "own:used", "true");
    expect(await tspod("run", "--rmi", "own:used", "echo", "done")).toMatchObject({
      ...{ exitCode: 0, stdout: "done\n", stderr: "" },
    });
    expect(await isThere("own:used")).toBe(true);
  });

  test("does so in the background, too, when nobody is watching", async () => {
    await makeImage("own:later");
    const id = await ok("run", "-d", "--rmi", "own:later", "sleep", "1000");
    await ok("kill", id);
    await until("the image is gone", async () => !(await isThere("own:later")));
    expect(await ok("ps", "-aq")).toBe("");
  });
});

describe("--personality", () => {
  test("LINUX32 holds for the program and for what is run beside it", async () => {
    const script = "uname -m; exec sleep 1000";
    await using box = await runBox(shared.world, script, "--personality=LINUX32");
    const short = await ok("run", "--rm", "--personality", "linux32", "tiny", "uname", "-m");
    expect(short).toMatch(/^(i686|armv8l)$/);
    await until("it has said so", async () => (await ok("logs", box.id)) === short);
    expect(await ok("exec", box.id, "uname", "-m")).toBe(short);
  });

  test("LINUX is as ever", async () => {
    const usual = await ok("run", "--rm", "tiny", "uname", "-m");
    expect(await ok("run", "--rm", "--personality=LINUX", "tiny", "uname", "-m")).toBe(usual);
  });
});

test("flags of others' scripts that change nothing are no obstacle", async () => {
  const flags = ["--disable-content-trust", "--isolation=default", "--seccomp-policy=default"];
  expect(await ok("run", "--rm", ...flags, "tiny", "echo", "ok")).toBe("ok");
});
