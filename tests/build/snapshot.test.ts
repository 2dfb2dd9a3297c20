/**
 * The process that the release file starts once in a boot, and from which later short commands go on: that it is made,
 * that they do, that nothing of it shows in them, and that without it everything is as it was.
 */
import { expect, setDefaultTimeout } from "bun:test";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { program, type Requirement, testWith } from "../support/requirements.ts";
import { isBuilt, itsVersion, makePlace, type RunOptions } from "../support/unpacked.ts";
import { tspodFile } from "../support/world.ts";

setDefaultTimeout(60_000);

const isSupported: Requirement = () =>
  process.arch === "x64" ? undefined : "snapshots are made on x86-64 only";
const test = testWith(isBuilt, isSupported);
const testTraced = testWith(isBuilt, isSupported, program("strace"));

/** zig/single-file/snapshot/format.zig: magic, size by its own account, boot id. */
const sizeOffset = 8;
const bootIdOffset = 16;
const noteSize = 56;

interface Options extends RunOptions {
  /** Words before it, as strace wants. */
  prefix?: string[];
}

class Place implements AsyncDisposable {
  readonly #place = makePlace();
  readonly directory = this.#place.directory;

  run(words: string[], { prefix = [], ...options }: Options = {}) {
    return this.#place.run([...prefix, tspodFile, ...words], options);
  }

  async ok(words: string[], options: Options = {}): Promise<string> {
    const { exitCode, stdout, stderr } = await this.run(words, options);
    expect({ words, exitCode, stderr }).toEqual({ words, exitCode: 0, stderr: "" });
    return stdout;
  }

  /** Where the program was unpacked. */
  get unpacked(): string {
    const cache = join(this.#place.cache, "tspod");
    return join(cache, readdirSync(cache).find((name) => /^[0-9a-f]{32}$/.test(name)) ?? "");
  }

  get file(): string {
    return join(this.unpacked, "snapshot");
  }

  /** Nobody is about to write there any more: who makes one holds a lock until the end. */
  async isMade(): Promise<boolean> {
    const lock = ["flock", this.unpacked, "true"];
    expect(await Bun.spawn(lock).exited).toBe(0);
    return existsSync(this.file) && statSync(this.file).size > noteSize;
  }

  /** Have one made, and wait for it. */
  async prepare(): Promise<void> {
    await this.ok(["version"]);
    expect(await this.isMade()).toBe(true);
  }

  /** Whether this command went on from a snapshot: then it maps pages of one where they were. */
  async goesOn(words: string[] = ["version"], environment = {}): Promise<boolean> {
    const log = join(this.directory, "strace.log");
    const prefix = ["strace", "-f", "-y", "-o", log, "-e", "trace=mmap"];
    await this.ok(words, { prefix, environment });
    return mapsOne.test(readFileSync(log, "utf8"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.isMade();
    this.#place[Symbol.dispose]();
  }
}

const mapsOne = /MAP_FIXED, \d+<[^>]*\/snapshot>/;

testTraced("the first short command has one made, the next go on from it", async () => {
  await using place = new Place();
  expect(await place.goesOn()).toBe(false);
  await place.prepare();
  expect(await place.goesOn()).toBe(true);
  expect(await place.ok(["version"])).toMatch(itsVersion);
  const { mode, size } = statSync(place.file);
  expect((mode & 0o777).toString(8)).toBe("600");
  expect(readFileSync(place.file).readBigUInt64LE(sizeOffset)).toBe(BigInt(size));
  expect(readdirSync(place.unpacked).sort()).toEqual(["snapshot", "tspod"]);
});

testTraced("not what is no short command, nor who does not want it", async () => {
  await using place = new Place();
  await place.ok(["version"], { environment: { TSPOD_SNAPSHOT: "no" } });
  expect(existsSync(place.file)).toBe(false);
  await place.prepare();
  expect(await place.goesOn(["volume", "ls"])).toBe(true);
  expect(await place.goesOn(["system", "df"])).toBe(false);
  expect(await place.goesOn(["version"], { TSPOD_SNAPSHOT: "no" })).toBe(false);
  expect(await place.goesOn(["version"], { TSPOD_SNAPSHOT: "7", TSPOD_SNAPSHOT_TAKE: "1" })).toBe(
    true,
  );
});

test("twelve first starts at once make one", async () => {
  await using place = new Place();
  const all = await Promise.all(Array.from({ length: 12 }, () => place.ok(["version"])));
  expect(new Set(all).size).toBe(1);
  await place.prepare();
  expect(readdirSync(place.unpacked).sort()).toEqual(["snapshot", "tspod"]);
});

test("a process has its own words, variables, directory and random numbers", async () => {
  await using place = new Place();
  await place.prepare();
  const names = await Promise.all(
    Array.from({ length: 8 }, () => place.ok(["volume", "create"])), // a name nobody has chosen
  );
  expect(new Set(names).size).toBe(8);
  const label = "käse=ein Stück ";
  const [name = ""] = names.map((each) => each.trim());
  await place.ok(["volume", "create", "--label", label, "mine"]);
  const labels = await place.ok(["volume", "inspect", "--format", "{{json .Labels}}", "mine"]);
  expect(JSON.parse(labels) as unknown).toEqual({ käse: "ein Stück " });
  expect((await place.ok(["volume", "ls", "-q"])).split("\n")).toContain(name);
  const elsewhere = { TSPOD_ROOT: join(place.directory, "elsewhere") };
  expect(await place.ok(["volume", "ls", "-q"], { environment: elsewhere })).toBe("");
  const below = join(place.directory, "below");
  mkdirSync(below);
  await place.ok(["volume", "export", "mine", "-o", "mine.tar"], { cwd: below });
  expect(readdirSync(below)).toEqual(["mine.tar"]);
});

test("what a container is started with has the user's variables, and none of ours", async () => {
  await using place = new Place();
  await place.prepare();
  const runtime = join(place.directory, "runtime");
  const told = join(place.directory, "told");
  writeFileSync(runtime, `#!/bin/sh\nenv > ${told}.new; mv ${told}.new ${told}\nexit 1\n`, {
    mode: 0o755,
  });
  await place.run(["run", "--rm", "--runtime", runtime, "hello"]);
  const lines = readFileSync(told, "utf8").split("\n");
  expect(lines).toContain(`HOME=${place.directory}`);
  expect(lines.filter((line) => /^TSPOD_SNAPSHOT|^BUN_JSC/.test(line))).toEqual([]);
});

test("a home is that of the user who asks, and not given away", async () => {
  await using place = new Place();
  await place.prepare();
  const words = ["create", "-v", `${place.directory}:/data:U`, "hello"];
  expect(await place.run(words)).toEqual({
    exitCode: 125,
    stdout: "",
    stderr: expect.stringContaining(`would give all of ${place.directory} away`) as string,
  });
});

testTraced.each([
  ["the descriptors it would use are taken", "exec 200</dev/null 201</dev/null"],
  ["there are too few descriptors", "ulimit -n 150"],
  ["standard input is closed", "exec <&-"],
  ["there is not enough address space", "ulimit -v 3000000"],
])("without one where %s", async (_, before) => {
  await using place = new Place();
  await place.prepare();
  const log = join(place.directory, "strace.log");
  const strace = ["strace", "-f", "-y", "-o", log, "-e", "trace=mmap"];
  const prefix = [...strace, "bash", "-c", `${before}; exec "$@"`, "bash"];
  const { stdout } = await place.run(["version"], { prefix });
  expect(readFileSync(log, "utf8")).not.toMatch(mapsOne);
  if (!before.includes("-v")) expect(stdout).toMatch(itsVersion);
});

testTraced("also where the user has given it descriptors", async () => {
  await using place = new Place();
  await place.prepare();
  const log = join(place.directory, "strace.log");
  const strace = ["strace", "-f", "-y", "-o", log, "-e", "trace=mmap"];
  const given = ["bash", "-c", 'exec 3</dev/null 4</dev/null 9</dev/null; exec "$@"', "bash"];
  await place.ok(["version"], { prefix: [...strace, ...given] });
  expect(readFileSync(log, "utf8")).toMatch(mapsOne);
});

testTraced("of another boot: another one is made", async () => {
  await using place = new Place();
  await place.prepare();
  const bytes = readFileSync(place.file);
  bytes.write("00000000", bootIdOffset, "latin1");
  writeFileSync(place.file, bytes);
  expect(await place.goesOn()).toBe(false);
  await place.prepare();
  expect(await place.goesOn()).toBe(true);
});

testTraced.each([
  ["cut short", (file: string) => truncateSync(file, statSync(file).size - 4096)],
  ["empty", (file: string) => truncateSync(file, 0)],
  ["nonsense", (file: string) => writeFileSync(file, "nonsense".repeat(100))],
])("%s: it is not used", async (_, spoil) => {
  await using place = new Place();
  await place.prepare();
  spoil(place.file);
  expect(await place.goesOn()).toBe(false);
  expect(await place.ok(["version"])).toMatch(itsVersion);
});

testTraced.each(["openat", "fcntl", "pread64", "pwrite64"])(
  "who makes it is killed at %s: everything goes on, without one",
  async (call) => {
    await using place = new Place();
    await place.ok(["version"], { environment: { TSPOD_SNAPSHOT: "no" } }); // unpacked
    const inject = ["-e", `trace=${call}`, "-e", `inject=${call}:signal=KILL:when=2+`];
    const log = join(place.directory, "strace.log");
    const prefix = ["strace", "-f", "-o", log, ...inject];
    await place.run(["version"], { prefix });
    expect(await place.isMade()).toBe(false);
    expect(await place.ok(["version"])).toMatch(itsVersion);
  },
);

test("an attempt that came to nothing is not repeated in the same boot", async () => {
  await using place = new Place();
  await place.prepare();
  truncateSync(place.file, noteSize);
  const note = readFileSync(place.file);
  note.writeBigUInt64LE(0n, sizeOffset);
  writeFileSync(place.file, note);
  expect(await place.ok(["version"])).toMatch(itsVersion);
  expect(await place.isMade()).toBe(false);
});
