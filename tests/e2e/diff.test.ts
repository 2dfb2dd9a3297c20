/** diff of two: what the first has otherwise than the second, be they containers or images. */
import { describe, expect } from "bun:test";
import { createBox, runBox } from "../support/boxes.ts";
import { registryPrograms, testWith } from "../support/requirements.ts";
import { sharedWorld } from "../support/shared-world.ts";

const test = testWith(...registryPrograms);
const shared = sharedWorld({ images: ["tiny", "layered", "configured"] });
const ok = (...words: string[]) => shared.world.ok(...words);
const tspod = (...words: string[]) => shared.world.tspod(words);

async function ended(script: string, ...flags: string[]) {
  const box = await createBox(shared.world, ...flags, "tiny", "sh", "-c", script);
  await ok("start", "-a", box.id);
  return box;
}

describe("images", () => {
  test("what all layers show counts, not the topmost alone; the other way round it is the opposite", async () => {
    const told = ["A /data", "A /data/kept", "A /hidden", "A /hidden/new"];
    expect((await ok("image", "diff", "layered", "tiny")).split("\n")).toEqual(told);
    expect(await ok("diff", "layered", "tiny")).toBe(told.join("\n"));
    expect(await ok("image", "diff", "tiny", "layered")).toBe("D /data\nD /hidden");
    expect(JSON.parse(await ok("diff", "--format", "json", "tiny", "configured"))).toEqual({
      deleted: ["/srv"],
    });
  });

  test("one and the same has nothing otherwise, whatever it is called", async () => {
    await ok("tag", "layered", "twin");
    expect(await ok("image", "diff", "twin", "layered")).toBe("");
    const { exitCode, stdout } = await tspod("diff", "-q", "layered", "twin");
    expect([exitCode, stdout]).toEqual([1, ""]);
    expect((await tspod("diff", "-q", "layered", "tiny")).exitCode).toBe(0);
  });

  test("one made by commit has what was changed, and nothing else", async () => {
    await using box = await ended("echo new > /etc/new; rm /etc/passwd; chmod 700 /root");
    await ok("commit", "-q", box.id, "changed");
    const told = "C /etc\nA /etc/new\nD /etc/passwd\nC /root";
    expect(await ok("image", "diff", "changed", "tiny")).toBe(told);
    await ok("rmi", "changed");
  });
});

describe("containers", () => {
  test("what was done in one and not in the other, running or not", async () => {
    await using one = await ended("echo 1 > /both; mkdir -p /own/deep; rm /etc/group");
    await using two = await ended("echo 22 > /both; ln -s /both /link");
    await using fresh = await createBox(shared.world, "tiny");
    await using running = await runBox(shared.world, "exec sleep 1000");
    expect((await ok("diff", one.id, two.id)).split("\n")).toEqual([
      ...["C /both", "C /etc", "D /etc/group", "D /link", "A /own", "A /own/deep"],
    ]);
    expect(await ok("container", "diff", fresh.id, running.id)).toBe("");
    expect(await ok("diff", two.id, "tiny")).toBe(await ok("diff", two.id));
    expect(await ok("diff", one.id, running.id)).toBe(await ok("diff", one.id));
  });

  test("a directory that became a file, and one that hides what its image had", async () => {
    await using box = await ended("rm -r /root; echo > /root; rm -r /home; mkdir -p /home/x");
    const told = (await ok("diff", box.id, "tiny")).split("\n");
    expect(told).toEqual(expect.arrayContaining(["C /root", "A /home/x"]));
    expect(told).toEqual([...new Set(told)]);
  });
});

test.each([
  [["diff", "tiny", "nothing"], 'a container or an image "nothing"'],
  [["diff", "nothing", "tiny"], 'a container or an image "nothing"'],
  [["image", "diff", "tiny", "nothing"], 'image "nothing"'],
  [["container", "diff", "tiny", "tiny"], 'container "tiny"'],
  [["diff", "tiny", "tiny", "tiny"], "tiny"],
  [["diff", "--latest", "tiny"], "tiny"],
])("%j is refused in a sentence", async (words, sentence) => {
  const { exitCode, stdout, stderr } = await tspod(...words);
  expect([exitCode, stdout]).toEqual([125, ""]);
  expect(stderr).toMatch(/^Error: .*\n {2}\S.*\n$/);
  expect(stderr).toContain(sentence);
});

test("of two whose ids mean others on the host nothing can be told", async () => {
  await using one = await createBox(shared.world, "--userns=keep-id", "tiny", "true");
  const { exitCode, stderr } = await tspod("diff", one.id, "tiny");
  expect([exitCode, stderr]).toEqual([125, expect.stringContaining("their user ids mean others")]);
});
