/**
 * The release file by itself: that it is static, how it unpacks, and what it does where it cannot.
 * What tspod does once it runs is tested in tests/e2e.
 */
import { describe, expect, setDefaultTimeout } from "bun:test";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { readElf } from "../../zig/single-file/elf.ts";
import { program, type Requirement, testWith } from "../support/requirements.ts";
import { treeRoot } from "../support/tree.ts";
import { isBuilt, itsVersion, makePlace as makePlaceOf, type Place } from "../support/unpacked.ts";
import { tspodFile } from "../support/world.ts";

setDefaultTimeout(60_000); // most of these unpack 100 MB

const ordinaryUser: Requirement = () =>
  process.geteuid?.() === 0 ? "root may write everywhere" : undefined;
const unshare = program("unshare", "util-linux");
const test = testWith(isBuilt);

/** Nothing is left that might still be writing there: tests/build/snapshot.test.ts tells of that. */
const makePlace = (): Place => makePlaceOf({ TSPOD_SNAPSHOT: "no" });

/** Run something in a mount namespace of its own, as its root: `script` sees `args` as $1... */
function withMounts(script: string, ...args: string[]): string[] {
  return ["unshare", "--map-root-user", "--mount", "sh", "-euc", script, "sh", ...args];
}

/** What is in the cache, as paths relative to it. */
function cached(place: Place): string[] {
  if (!existsSync(place.cache)) return [];
  return readdirSync(place.cache, { recursive: true, encoding: "utf8" }).sort();
}

const unpackedOnce = [
  "tspod",
  expect.stringMatching(/^tspod\/[0-9a-f]{32}$/),
  expect.stringMatching(/^tspod\/[0-9a-f]{32}\/tspod$/),
] as string[];

describe("the file", () => {
  test("says its version, commit and build", async () => {
    using place = makePlace();
    const { exitCode, stdout, stderr } = await place.tspod("version");
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    expect(stdout).toMatch(itsVersion);
  });

  for (const name of ["x64", "arm64"]) {
    const file = join(treeRoot, `dist/tspod-linux-${name}`);
    const needed: Requirement = () =>
      existsSync(file) ? undefined : `no dist/tspod-linux-${name} (npm run build:release)`;
    testWith(needed)(`for ${name} is static and small`, () => {
      const elf = readElf(name, readFileSync(file));
      const types = new Set(elf.segments.map(({ type }) => type));
      expect([...types].sort()).toEqual([1, 0x6474e551]); // PT_LOAD and PT_GNU_STACK: no interpreter, no libraries
      expect(elf.bytes.length).toBeLessThan(45_000_000);
    });
  }

  testWith(isBuilt, unshare)("runs where there is nothing else, not even /proc", async () => {
    using place = makePlace();
    const empty = join(place.directory, "empty");
    mkdirSync(empty);
    copyFileSync(tspodFile, join(empty, "tspod"));
    const enter = ["unshare", "--map-root-user", "--root", empty, "/tspod", "version"];
    expect(await place.run(enter)).toMatchObject({
      exitCode: 0,
      stdout: expect.stringMatching(itsVersion),
      stderr: "",
    });
  });

  test("runs native verbs without unpacking, and so does what it unpacks", async () => {
    using place = makePlace();
    expect(await place.tspod("native", "true")).toEqual({ exitCode: 0, stdout: "", stderr: "" });
    expect(cached(place)).toEqual([]);
    await place.tspod("version");
    const inner = join(place.cache, cached(place).at(-1) ?? "");
    for (const file of [tspodFile, inner]) {
      expect((await place.run([file, "native", "true"])).exitCode).toBe(0);
      expect((await place.run([file, "native", "no-such-verb"])).exitCode).toBe(125);
    }
  });
});

describe("the cache", () => {
  test("is made once and private", async () => {
    using place = makePlace();
    await place.tspod("version");
    expect(cached(place)).toEqual(unpackedOnce);
    const paths = cached(place).map((path) => statSync(join(place.cache, path)));
    expect(paths.map(({ mode }) => (mode & 0o777).toString(8))).toEqual(["700", "700", "555"]);
    const before = paths.at(-1)?.ino;
    await place.tspod("version");
    expect(statSync(join(place.cache, cached(place).at(-1) ?? "")).ino).toBe(before ?? 0);
  });

  test("is right after twelve first starts at once", async () => {
    using place = makePlace();
    const all = await Promise.all(Array.from({ length: 12 }, () => place.tspod("version")));
    expect(all.map(({ exitCode, stderr }) => ({ exitCode, stderr }))).toEqual(
      all.map(() => ({ exitCode: 0, stderr: "" })),
    );
    expect(cached(place)).toEqual(unpackedOnce);
  });

  test("is made again where it is incomplete or somebody died making it", async () => {
    using place = makePlace();
    await place.tspod("version");
    const inner = join(place.cache, cached(place).at(-1) ?? "");
    const size = statSync(inner).size;
    chmodSync(inner, 0o700);
    truncateSync(inner, 1000);
    writeFileSync(`${inner}.tmp`, "left behind");
    expect(await place.tspod("version")).toMatchObject({ exitCode: 0, stderr: "" });
    expect(cached(place)).toEqual(unpackedOnce);
    expect(statSync(inner).size).toBe(size);
  });

  test("is made again where what is there is no program", async () => {
    using place = makePlace();
    await place.tspod("version");
    const inner = join(place.cache, cached(place).at(-1) ?? "");
    const size = statSync(inner).size;
    rmSync(inner);
    writeFileSync(inner, "", { mode: 0o500 });
    chmodSync(inner, 0o700);
    truncateSync(inner, size); // as after a power failure: the size is right, and everything is zero
    chmodSync(inner, 0o500);
    expect(await place.tspod("version")).toMatchObject({ exitCode: 0, stderr: "" });
    expect(readFileSync(inner).subarray(1, 4).toString()).toBe("ELF");
  });

  test("keeps two other versions, those used last, and touches nothing else", async () => {
    using place = makePlace();
    const names = ["1", "2", "3", "4"].map((digit) => digit.repeat(32));
    for (const [i, name] of names.entries()) {
      const file = join(place.cache, "tspod", name, "tspod");
      mkdirSync(join(file, ".."), { recursive: true, mode: 0o700 });
      writeFileSync(file, "");
      utimesSync(file, 1e9 + i, 1e9 + i);
    }
    mkdirSync(join(place.cache, "tspod/somebody-else"));
    chmodSync(join(place.cache, "tspod"), 0o700);
    await place.tspod("version");
    const left = readdirSync(join(place.cache, "tspod"));
    expect(left).toHaveLength(4);
    expect(left).toEqual(expect.arrayContaining([...names.slice(2), "somebody-else"]));
  });

  test.each([
    [
      "others may write to",
      (path: string) => (mkdirSync(path, { recursive: true }), chmodSync(path, 0o777)),
    ],
    [
      "is a link",
      (path: string) => (
        mkdirSync(join(path, "..")),
        mkdirSync(join(path, "../../elsewhere")),
        symlinkSync("../elsewhere", path)
      ),
    ],
    ["is a file", (path: string) => (mkdirSync(join(path, "..")), writeFileSync(path, ""))],
  ])("is not used where it %s", async (_, make) => {
    using place = makePlace();
    make(join(place.cache, "tspod"));
    expect(await place.tspod("version")).toMatchObject({ exitCode: 0, stderr: "" });
    expect(cached(place)).toEqual(["tspod"]);
  });
});

describe("where it cannot unpack", () => {
  testWith(isBuilt, ordinaryUser)("in a read-only home it finds another place", async () => {
    using place = makePlace();
    chmodSync(place.directory, 0o500);
    expect(await place.tspod("version")).toMatchObject({ exitCode: 0, stderr: "" });
    expect(readdirSync(place.directory)).toEqual(["run"]);
  });

  const noPlace =
    "mount -t tmpfs -o $1 none /var/tmp; mkdir -p $2; mount -t tmpfs -o $1 none $2; exec $3 version";
  testWith(isBuilt, unshare).each([
    ["full disks", "size=30m"],
    ["disks that are too small for a single page", "size=4k"],
    ["disks that nothing is executed from", "noexec"],
    ["read-only disks", "ro"],
  ])("with %s it runs from memory", async (_, mountOptions) => {
    using place = makePlace();
    const command = withMounts(noPlace, mountOptions, place.cache, tspodFile);
    expect(await place.run(command)).toMatchObject({
      exitCode: 0,
      stdout: expect.stringMatching(itsVersion),
      stderr: "",
    });
  });

  testWith(isBuilt, unshare)("with no memory either it says what to do", async () => {
    using place = makePlace();
    const limited = noPlace.replace("exec", "ulimit -v 55000; exec");
    const { exitCode, stdout, stderr } = await place.run(
      withMounts(limited, "size=30m", place.cache, tspodFile),
    );
    expect({ exitCode, stdout }).toEqual({ exitCode: 125, stdout: "" });
    expect(stderr).toBe(
      "tspod: Cannot unpack into a cache directory (ENOSPC) or into memory (ENOMEM): set XDG_CACHE_HOME to a " +
        "directory of yours with 120 MB of space, where programs may be executed\n",
    );
  });

  test.each([
    ["changed", (file: string, size: number) => damage(file, size / 2)],
    ["cut short", (file: string, size: number) => truncateSync(file, Math.floor(size / 2))],
    ["cut short by one page", (file: string, size: number) => truncateSync(file, size - 4096)],
  ])("says so when it has been %s", async (_, spoil) => {
    using place = makePlace();
    const copy = join(place.directory, "copy");
    copyFileSync(tspodFile, copy);
    spoil(copy, statSync(copy).size);
    expect(await place.run([copy, "version"])).toEqual({
      exitCode: 125,
      stdout: "",
      stderr:
        "tspod: This file is damaged: what is packed in it does not match its checksum: get it again\n",
    });
    expect(cached(place)).not.toContainEqual(expect.stringMatching(/tspod\/.*\/tspod/));
  });
});

describe("its surroundings", () => {
  test("a very large environment arrives whole", async () => {
    using place = makePlace();
    const many = Object.fromEntries(
      Array.from({ length: 6000 }, (_, i) => [`V${i}`, "x".repeat(100)]),
    );
    expect(await place.run([tspodFile, "version"], { environment: many })).toMatchObject({
      exitCode: 0,
      stderr: "",
    });
  });

  test("a deleted working directory is left", async () => {
    using place = makePlace();
    const script = `mkdir gone; cd gone; rmdir ../gone; exec ${tspodFile} version`;
    expect(await place.run(["sh", "-euc", script])).toMatchObject({
      exitCode: 0,
      stdout: expect.stringMatching(itsVersion),
      stderr: "tspod: The working directory has been deleted: using / instead\n",
    });
  });

  test("no variable changes what it does", async () => {
    using place = makePlace();
    writeFileSync(join(place.directory, "evil.ts"), 'console.log("evil"); process.exit(66);\n');
    const calm = await place.tspod("version");
    for (const [name, value] of Object.entries(hostileVariables)) {
      const result = await place.run([tspodFile, "version"], { environment: { [name]: value } });
      expect({ name, ...result }).toEqual({ name, ...calm });
    }
  });

  testWith(isBuilt, program("strace"))(
    "no file where it is run is opened, no limit is changed",
    async () => {
      using place = makePlace();
      await place.tspod("version");
      const trap = join(place.directory, "trap");
      mkdirSync(trap);
      for (const name of temptations) writeFileSync(join(trap, name), "TSPOD_ROOT=/nowhere");
      const log = join(place.directory, "log");
      const calls = "trace=open,openat,openat2,stat,statx,newfstatat,readlink,setrlimit,prlimit64";
      const { exitCode } = await place.run(
        ["strace", "-f", "-o", log, "-e", calls, tspodFile, "version"],
        { cwd: trap },
      );
      expect(exitCode).toBe(0);
      const lines = readFileSync(log, "utf8").split("\n");
      expect(lines.filter((line) => temptations.some((name) => line.includes(`${name}"`)))).toEqual(
        [],
      );
      expect(
        lines.filter(
          (line) => /prlimit64\(.*, \{|setrlimit\(/.test(line) && !/NULL, \{/.test(line),
        ),
      ).toEqual([]);
    },
  );
});

describe("starting", () => {
  const emulator = program("qemu-aarch64-static", "qemu-user-static");
  const arm64 = join(treeRoot, "dist/tspod-linux-arm64");
  const isArmBuilt: Requirement = () =>
    existsSync(arm64) ? undefined : "no dist/tspod-linux-arm64 (npm run build:release)";
  testWith(isArmBuilt, emulator)(
    "works on arm64, as far as an emulator of one program can show",
    async () => {
      using place = makePlace();
      const native = await place.run(["qemu-aarch64-static", arm64, "native", "true"]);
      expect(native).toEqual({ exitCode: 0, stdout: "", stderr: "" });
      // The emulator does not follow execveat(2) into another program for arm64, so what it unpacked is started by hand.
      await place.run(["qemu-aarch64-static", arm64, "version"]);
      const inner = join(place.cache, cached(place).at(-1) ?? "");
      for (const file of [arm64, inner]) {
        const probe = ["native", "probe", "--overlay", place.directory]; // allocates, and asks for the page size
        const { exitCode, stdout } = await place.run(["qemu-aarch64-static", file, ...probe]);
        expect({ exitCode, probed: JSON.parse(stdout) as unknown }).toMatchObject({
          exitCode: 0,
          probed: { kernel: expect.any(String) as string },
        });
      }
      const { exitCode, stdout } = await place.run(["qemu-aarch64-static", inner, "version"]);
      expect(exitCode).toBe(0);
      expect(stdout).toMatch(itsVersion);
      expect(stdout).toContain("linux/arm64");
    },
    60_000,
  );
});

const temptations = [
  ".env",
  ".env.local",
  ".env.production",
  "bunfig.toml",
  "package.json",
  "tsconfig.json",
  ".npmrc",
];

const hostileVariables: Record<string, string> = {
  BUN_OPTIONS: "--preload ./evil.ts",
  BUN_BE_BUN: "1",
  BUN_INSPECT: "127.0.0.1:0",
  BUN_INSPECT_PRELOAD: "./evil.ts",
  BUN_JSC_useJIT: "nonsense",
  BUN_JSC_dumpOptions: "2",
  BUN_CONFIG_VERBOSE_FETCH: "1",
  BUN_INSTALL: "/evil",
  BUN_DEBUG: "/evil",
  NODE_OPTIONS: "--require ./evil.ts",
  NODE_CHANNEL_FD: "2",
  MIMALLOC_VERBOSE: "1",
  MIMALLOC_SHOW_STATS: "1",
  ICU_DATA: "/evil",
  LD_PRELOAD: "/evil.so",
  LD_LIBRARY_PATH: "/evil",
};

function damage(file: string, at: number): void {
  const bytes = readFileSync(file);
  const index = Math.floor(at);
  bytes[index] = (bytes[index] ?? 0) ^ 0xff;
  writeFileSync(file, bytes);
}
