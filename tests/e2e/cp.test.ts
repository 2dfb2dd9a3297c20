/** cp, into, out of and between containers that run and that do not: docker's rules, and what is refused. */
import { describe, expect } from "bun:test";
import { chmodSync, lstatSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { program, registryPrograms, testWith } from "../support/requirements.ts";
import { sharedWorld } from "../support/shared-world.ts";
import { subordinateIds } from "../helper/layer-fixture.ts";

const test = testWith(...registryPrograms, subordinateIds);
const shared = sharedWorld({ images: ["tiny"] });
const ok = (...words: string[]) => shared.world.ok(...words);
const tspod = (...words: string[]) => shared.world.tspod(words);

interface Box extends AsyncDisposable {
  id: string;
  /** What a shell in it says, whether it runs or not. */
  sh(script: string): Promise<string>;
}

/** `script` null: it is created and never runs. */
async function box(script: string | null, ...flags: string[]): Promise<Box> {
  const verb = script === null ? ["create"] : ["run", "-d"];
  const id = await ok(...verb, ...flags, "tiny", "sh", "-c", script ?? "sleep 1000");
  const sh = async (text: string): Promise<string> => {
    if (script === null) await ok("start", id);
    const said = await ok("exec", id, "sh", "-c", text);
    if (script === null) await ok("kill", id);
    return said;
  };
  return { id, sh, [Symbol.asyncDispose]: async () => void (await tspod("rm", "-f", id)) };
}

let count = 0;
/** An empty directory of the caller's. */
function place(): string {
  const path = join(shared.world.home, `place-${count++}`);
  mkdirSync(path);
  return path;
}

const states = [
  ["runs", "sleep 1000"],
  ["has never run", null],
] as const;

describe.each(states)("a container that %s", (_, script) => {
  test("gets a file, root's, with its mode and time", async () => {
    await using to = await box(script);
    const from = place();
    writeFileSync(join(from, "a"), "hello");
    chmodSync(join(from, "a"), 0o640);
    await ok("cp", join(from, "a"), `${to.id}:/etc/b`);
    await ok("cp", join(from, "a"), `${to.id}:tmp`);
    const said = await to.sh("cat /etc/b /tmp/a; stat -c ' %a %u:%g %Y' /etc/b");
    const mtime = Math.floor(lstatSync(join(from, "a")).mtimeMs / 1000);
    expect(said).toBe(`hellohello 640 0:0 ${mtime}`);
  });

  test("gives a file, ours, without its set-id bits", async () => {
    await using from = await box(script);
    const to = place();
    await ok("cp", `${from.id}:/bin/busybox`, join(to, "box"));
    await ok("cp", `${from.id}:/etc`, to);
    expect(readFileSync(join(to, "box")).equals(readFileSync("/bin/busybox"))).toBe(true);
    expect(readFileSync(join(to, "etc/passwd"), "utf8")).toContain("app:x:1000");
    expect(lstatSync(join(to, "box")).uid).toBe(process.getuid?.() ?? 0);
    expect(lstatSync(join(to, "box")).mode & 0o7777).toBe(0o755);
  });

  test("a directory goes into one that is there, becomes one that is not, and /. is what is in it", async () => {
    await using to = await box(script);
    const from = place();
    mkdirSync(`${from}/d/e`, { recursive: true });
    writeFileSync(join(from, "d/e/f"), "x");
    await ok("cp", join(from, "d"), `${to.id}:/tmp`);
    await ok("cp", join(from, "d"), `${to.id}:/new`);
    await ok("cp", `${from}/d/.`, `${to.id}:/home`);
    await ok("cp", `${from}/d/e/.`, `${to.id}:/other`);
    const said = await to.sh("ls /tmp/d/e/f /new/e/f /home/e/f /other/f");
    expect(said.split("\n")).toHaveLength(4);
    const back = place();
    await ok("cp", `${to.id}:/new/.`, back);
    await ok("cp", `${to.id}:/new`, join(back, "made"));
    expect(readFileSync(join(back, "e/f"), "utf8")).toBe("x");
    expect(readFileSync(join(back, "made/e/f"), "utf8")).toBe("x");
  });

  test("an archive goes in on standard input, and out on standard output", async () => {
    await using to = await box(script);
    const from = place();
    writeFileSync(join(from, "a"), "in a tar");
    const tar = await Bun.$`tar -C ${from} --owner=1000 --group=1000 -czf - a`.quiet();
    const { exitCode } = await shared.world.tspod(["cp", "-", `${to.id}:/tmp`], {
      stdin: tar.stdout,
    });
    expect(exitCode).toBe(0);
    expect(await to.sh("stat -c '%u:%g' /tmp/a; cat /tmp/a")).toBe("1000:1000\nin a tar");
  });
});

/** Where the kernel has no overlay for us. */
testWith(...registryPrograms, subordinateIds, program("fuse-overlayfs")).each([
  "copy",
  "fuse-overlayfs",
])("into and out of a container that has never run, its root being of %s", async (kind) => {
  const environment = { TSPOD_ROOTFS: kind };
  const { stdout } = await shared.world.tspod(["create", "tiny", "cat", "/etc/b"], { environment });
  const id = stdout.trim();
  const from = place();
  writeFileSync(join(from, "a"), "hello");
  await ok("cp", join(from, "a"), `${id}:/etc/b`);
  await ok("cp", `${id}:/etc/b`, join(from, "back"));
  expect(readFileSync(join(from, "back"), "utf8")).toBe("hello");
  expect(await ok("start", "-a", id)).toBe("hello");
  await ok("rm", id);
});

describe("what no buffer holds", () => {
  test("a tree a thousand levels deep, in and out", async () => {
    const deep = "d/".repeat(1000);
    const from = place();
    mkdirSync(join(from, "tree", deep), { recursive: true });
    writeFileSync(join(from, "tree", deep, "file"), "bottom");
    await using to = await box("sleep 1000");
    await ok("cp", join(from, "tree"), `${to.id}:/tmp`);
    expect(await ok("exec", to.id, "cat", `/tmp/tree/${deep}file`)).toBe("bottom");
    const back = place();
    await ok("cp", `${to.id}:/tmp/tree`, back);
    expect(readFileSync(join(back, "tree", deep, "file"), "utf8")).toBe("bottom");
    await ok("exec", to.id, "rm", "-r", "/tmp/tree"); // what is left for tspod rm is flat again
  });

  test("a large file that is almost all holes, in and out, takes no more room there", async () => {
    const sizeBytes = 2 ** 28;
    const from = place();
    await Bun.$`truncate -s ${sizeBytes} ${from}/holes`.quiet();
    await Bun.$`printf middle | dd of=${from}/holes bs=1 seek=${2 ** 27} conv=notrunc`.quiet();
    const look = `stat -c %s /tmp/holes; dd if=/tmp/holes bs=4096 skip=${2 ** 15} count=1 2>/dev/null | head -c 6`;
    await using to = await box("sleep 1000");
    await ok("cp", join(from, "holes"), `${to.id}:/tmp`);
    expect(await to.sh(look)).toBe(`${sizeBytes}\nmiddle`);
    expect(Number(await to.sh("stat -c %b /tmp/holes"))).toBeLessThan(1000);
    const back = place();
    await ok("cp", `${to.id}:/tmp/holes`, back);
    const { size, blocks } = lstatSync(join(back, "holes"));
    expect([size, blocks < 1000]).toEqual([sizeBytes, true]);
  });
});
