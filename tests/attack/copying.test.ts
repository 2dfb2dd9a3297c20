/**
 * Containers and archives that want cp to read or write a file of the host: links that change while they are followed,
 * names that climb, files that wait where the next copy goes. And what is left when the disk is full or cp is killed.
 */
import { describe, expect } from "bun:test";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { subordinateIds } from "../helper/layer-fixture.ts";
import { rawTar } from "../helper/raw-tar.ts";
import { killIfThere, processesOf } from "../support/leaks.ts";
import { random } from "../support/random.ts";
import { registryPrograms, testWith } from "../support/requirements.ts";
import { sharedWorld } from "../support/shared-world.ts";
import { delay, until } from "../support/wait.ts";

const test = testWith(...registryPrograms, subordinateIds);
const shared = sharedWorld({ images: ["tiny"] });
const ok = (...words: string[]) => shared.world.ok(...words);
const tspod = (...words: string[]) => shared.world.tspod(words);

let count = 0;
function place(): string {
  const path = join(shared.world.home, `place-${count++}`);
  mkdirSync(path);
  return path;
}

/** A directory of the host with a secret in it, and how it looks now. */
function sentinel(): { path: string; untouched(): void } {
  const path = place();
  writeFileSync(join(path, "secret"), "secret");
  const look = () =>
    JSON.stringify([readdirSync(path), readFileSync(join(path, "secret"), "utf8")]);
  const before = look();
  return { path, untouched: () => expect(look()).toBe(before) };
}

const rounds = 40;

describe("a container that exchanges a directory and a link to the host's", () => {
  const swapping = (to: string) =>
    `mkdir -p /t/d /t/keep; echo mine > /t/d/secret; ln -s ${to} /t/link;
     while :; do mv -T /t/d /t/keep/d; mv -T /t/link /t/d; mv -T /t/d /t/link; mv -T /t/keep/d /t/d; done`;

  test("is never given nor robbed of a file outside", async () => {
    const outside = sentinel();
    const id = await ok("run", "-d", "tiny", "sh", "-c", swapping(outside.path));
    await until("it swaps", async () => (await tspod("exec", id, "ls", "/t/keep")).exitCode === 0);
    const from = place();
    mkdirSync(join(from, "d"));
    writeFileSync(join(from, "d/secret"), "pushed");
    writeFileSync(join(from, "d/more"), "pushed");
    let copied = 0;
    for (let round = 0; round < rounds; round++) {
      const to = place();
      await tspod("cp", `${id}:/t`, to);
      await tspod("cp", `${id}:/t/d/.`, to);
      await tspod("cp", "-L", `${id}:/t/d`, join(to, "followed"));
      const found = Bun.spawnSync(["grep", "-rIlx", "secret", to]).stdout.toString();
      expect(found).toBe("");
      if (existsSync(join(to, "t"))) copied++;
      await tspod("cp", join(from, "d"), `${id}:/t`);
      await tspod("cp", `${from}/d/.`, `${id}:/t/d`);
      outside.untouched();
    }
    expect(copied).toBeGreaterThan(0);
    await ok("rm", "-f", id);
  }, 240_000);
});

describe("what a container left for the next copy", () => {
  test("a link in the caller's directory is replaced, not written through", async () => {
    const victim = place();
    writeFileSync(join(victim, "file"), "before");
    const script = (kind: string) => `mkdir -p /out; rm -rf /out/*; ${kind}`;
    const id = await ok("run", "-d", "tiny", "sleep", "1000");
    const to = place();
    await ok("exec", id, "sh", "-c", script(`ln -s ${victim}/file /out/x; ln -s ${victim} /out/d`));
    await ok("cp", `${id}:/out/.`, to);
    expect(lstatSync(join(to, "x")).isSymbolicLink()).toBe(true);
    await ok(
      "exec",
      id,
      "sh",
      "-c",
      script("echo bad > /out/x; mkdir /out/d; echo bad > /out/d/file"),
    );
    const { exitCode, stderr } = await tspod("cp", `${id}:/out/.`, to);
    expect(exitCode).toBe(125); // a directory over a link
    expect(stderr).toContain("--overwrite");
    await ok("cp", "--overwrite", `${id}:/out/.`, to);
    expect(readFileSync(join(victim, "file"), "utf8")).toBe("before");
    expect(readFileSync(join(to, "x"), "utf8")).toBe("bad\n");
    expect(readFileSync(join(to, "d/file"), "utf8")).toBe("bad\n");
    await ok("rm", "-f", id);
  });

  test("set-id programs, devices and capabilities come out as plain files or not at all", async () => {
    const id = await ok(
      "run",
      "-d",
      "tiny",
      "sh",
      "-c",
      "cp /bin/busybox /sh; chmod 6755 /sh; exec sleep 1000",
    );
    const to = place();
    await until(
      "it is there",
      async () => (await tspod("exec", id, "test", "-u", "/sh")).exitCode === 0,
    );
    await ok("cp", `${id}:/sh`, to);
    expect(lstatSync(join(to, "sh")).mode & 0o7777).toBe(0o755);
    const { stderr } = await tspod("cp", `${id}:/dev/null`, to);
    expect(stderr).toContain("device");
    expect(existsSync(join(to, "null"))).toBe(false);
    await ok("rm", "-f", id);
  });
});

describe("an archive on standard input", () => {
  const unpack = async (id: string, tar: Uint8Array) =>
    shared.world.tspod(["cp", "-", `${id}:/tmp`], { stdin: tar });

  test("that climbs, or goes through links, stays inside", async () => {
    const outside = sentinel();
    const id = await ok("run", "-d", "tiny", "sleep", "1000");
    const climbing = await unpack(id, rawTar({ name: "../../x", content: "x" }));
    expect(climbing.exitCode).toBe(125);
    expect(climbing.stderr).toContain("leads out");
    await unpack(
      id,
      rawTar(
        { name: "out", type: "2", link: outside.path },
        { name: "out/secret", content: "bad" },
        { name: "up", type: "2", link: "../../../../../../.." },
        { name: `up${outside.path}/secret`, content: "bad" },
        { name: "hard", type: "1", link: `up${outside.path}/secret` },
        { name: "hard", content: "bad" },
        { name: "/absolute", content: "inside" },
      ),
    );
    outside.untouched();
    expect(await ok("exec", id, "cat", `${outside.path}/secret`, "/tmp/absolute")).toBe(
      "badinside",
    );
    await ok("rm", "-f", id);
  });

  test.each([
    ["is no tar", new TextEncoder().encode("x".repeat(2000)), /not a tar header/],
    [
      "is cut off",
      rawTar({ name: "a", content: "x".repeat(600) }).subarray(0, 700),
      /ends in the middle/,
    ],
    [
      "puts a file over a directory",
      rawTar({ name: "../tmp/.", content: "x" }, { name: "d", content: "x" }),
      /./,
    ],
  ])("that %s is refused with a sentence", async (_, tar, wanted) => {
    const id = await ok("run", "-d", "tiny", "sh", "-c", "mkdir /tmp/d; exec sleep 1000");
    await until(
      "it is there",
      async () => (await tspod("exec", id, "test", "-d", "/tmp/d")).exitCode === 0,
    );
    const { exitCode, stderr } = await unpack(id, tar);
    expect(exitCode).toBe(125);
    expect(stderr).toMatch(wanted);
    expect(await ok("exec", id, "ls", "-A", "/tmp")).toBe("d");
    await ok("rm", "-f", id);
  });
});

describe("where it cannot be written", () => {
  test("a full disk keeps the file that was there, and half of none", async () => {
    const id = await ok(
      "run",
      "-d",
      "--tmpfs",
      "/small:size=1m",
      "tiny",
      "sh",
      "-c",
      "echo old > /small/a; exec sleep 1000",
    );
    await until(
      "it is there",
      async () => (await tspod("exec", id, "cat", "/small/a")).stdout === "old\n",
    );
    const from = place();
    writeFileSync(join(from, "a"), Buffer.alloc(4 << 20, 1));
    for (const to of ["/small/a", "/small/b"]) {
      const { exitCode, stderr } = await tspod("cp", join(from, "a"), `${id}:${to}`);
      expect(exitCode).toBe(125);
      expect(stderr).toContain("full");
    }
    expect(await ok("exec", id, "sh", "-c", "ls -A /small; cat /small/a")).toBe("a\nold");
    await ok("rm", "-f", id);
  });

  test.each([
    ["a root that is read-only", ["--read-only"], "/etc/x"],
    ["a volume that is read-only", ["-v", "vol:/vol:ro"], "/vol/x"],
  ])("%s is refused, whether it runs or not", async (_, flags, path) => {
    const file = join(place(), "x");
    writeFileSync(file, "x");
    for (const verb of [["create"], ["run", "-d"]]) {
      const id = await ok(...verb, ...flags, "tiny", "sleep", "1000");
      const { exitCode, stderr } = await tspod("cp", file, `${id}:${path}`);
      expect(exitCode).toBe(125);
      expect(stderr).toContain("read-only");
      await ok("rm", "-f", id);
    }
  });

  test("a volume of a container that does not run is written to, and read", async () => {
    const file = join(place(), "x");
    writeFileSync(file, "in the volume");
    const id = await ok("create", "-v", "shared:/data/deep", "tiny", "true");
    await ok("cp", file, `${id}:/data/deep/x`);
    await ok("cp", `${id}:/data/deep/x`, `${file}-back`);
    expect(readFileSync(`${file}-back`, "utf8")).toBe("in the volume");
    expect(await ok("run", "--rm", "-v", "shared:/v", "tiny", "cat", "/v/x")).toBe("in the volume");
    await ok("rm", id);
  });
});

const trials = 30;
const latestKillMs = 400;

test(`kill -9 in the middle of cp, commit and import, ${trials} times`, async () => {
  const from = place();
  for (let i = 0; i < 300; i++) writeFileSync(join(from, `file-${i}`), "x".repeat(i * 50));
  symlinkSync("file-0", join(from, "link"));
  const archive = join(place(), "archive.tar");
  await Bun.$`tar -C ${from} -cf ${archive} .`.quiet();
  const { below } = random();
  const running = await ok("run", "-d", "tiny", "sleep", "1000");
  const stopped = await ok("create", "tiny", "true");
  const commands = [running, stopped].flatMap((id) => [
    ["cp", from, `${id}:/copied`],
    ["cp", `${id}:/bin`, place()],
    ["commit", id, "killed"],
    ["import", archive, "killed"],
  ]);
  for (let trial = 0; trial < trials; trial++) {
    const victim = shared.world.start(commands[below(commands.length)] ?? []);
    await delay(below(latestKillMs));
    const helpers = processesOf(shared.world.root).filter(({ command }) =>
      command.includes("native files"),
    );
    const [helper] = helpers;
    // the command itself, or the process that works for it
    if (helper !== undefined && below(2) === 0) killIfThere(helper.pid);
    victim.kill("SIGKILL");
    await victim.exited;
    await until("its helpers are gone", () =>
      processesOf(shared.world.root).every(({ command }) => !command.includes("native files")),
    );
    expect(await ok("ps", "-a", "--filter", `id=${running}`, "--format", "{{.State}}")).toBe(
      "running",
    );
    await ok("exec", running, "true");
  }
  for (const id of [running, stopped]) await ok("cp", from, `${id}:/whole`);
  await ok("start", "-a", stopped);
  await ok("commit", stopped, "after");
  expect(
    await ok("run", "--rm", "after", "sh", "-c", "ls /whole | wc -l; cat /whole/file-299 | wc -c"),
  ).toBe("301\n14950");
  await ok("import", archive, "after");
  await ok("ps");
  const data = join(shared.world.root, "data");
  expect(readdirSync(join(data, "layers")).filter((name) => name.startsWith("."))).toEqual([]);
  expect(readdirSync(join(data, "ingest"))).toEqual([]);
  expect(readdirSync(join(data, "trash"))).toEqual([]);
  await ok("rm", "-f", running, stopped);
}, 240_000);
