/** One file and nothing else: what it needs of the machine, what of its surroundings it ignores. */
import { describe, expect } from "bun:test";
import { copyFileSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { registryPrograms, testWith } from "../support/requirements.ts";
import { makeWorld, tspodFile } from "../support/world.ts";

const test = testWith(...registryPrograms);
const sizeMaxBytes = 45e6;

describe("the file", () => {
  test("is a static ELF below the limit of a git host", async () => {
    const bytes = new Uint8Array(await Bun.file(tspodFile).slice(0, 4096).arrayBuffer());
    expect([...bytes.slice(0, 4)]).toEqual([0x7f, 0x45, 0x4c, 0x46]);
    expect(programHeaderTypes(bytes)).not.toContain(3); // elf(5): PT_INTERP
    expect(statSync(tspodFile).size).toBeLessThan(sizeMaxBytes);
  });

  test("starts in a root directory with nothing else in it", async () => {
    await using world = await makeWorld();
    const empty = join(world.home, "empty");
    mkdirSync(empty);
    copyFileSync(tspodFile, join(empty, "tspod"));
    const enter = ["unshare", "--map-root-user", "--root", empty, "/tspod", "version"];
    const child = Bun.spawn(enter, { env: {}, stdout: "pipe", stderr: "pipe" });
    expect(await child.stdout.text()).toMatch(/\d+\.\d+\.\d+/);
    expect(await child.exited).toBe(0);
  });

  test("reads no .env, bunfig, package.json or tsconfig where it is run", async () => {
    await using world = await makeWorld({ images: ["tiny"] });
    const trap = join(world.home, "trap");
    mkdirSync(trap);
    writeFileSync(join(trap, ".env"), "TSPOD_ROOT=/nowhere\nNO_COLOR=1\n");
    writeFileSync(join(trap, "bunfig.toml"), 'preload = ["./evil.ts"]\n');
    writeFileSync(join(trap, "evil.ts"), 'console.log("evil"); process.exit(66);\n');
    writeFileSync(join(trap, "package.json"), '{"imports":{"#x":"./evil.ts"},"type":"commonjs"}');
    writeFileSync(join(trap, "tsconfig.json"), '{"compilerOptions":{"paths":{"*":["./evil.ts"]}}}');
    const result = await world.tspod(["run", "--rm", "tiny", "echo", "calm"], { directory: trap });
    expect(result).toEqual({ exitCode: 0, stdout: "calm\n", stderr: "" });
  });

  test.each([
    { BUN_OPTIONS: "--preload ./evil.ts" },
    { BUN_BE_BUN: "1" },
    { BUN_INSPECT: "127.0.0.1:0" },
    { BUN_JSC_useJIT: "nonsense" },
    { NODE_OPTIONS: "--require ./evil.ts" },
    { LD_PRELOAD: "/evil.so", LD_LIBRARY_PATH: "/evil" },
  ])("does the same with %o", async (variables) => {
    await using world = await makeWorld({ images: ["tiny"] });
    writeFileSync(join(world.home, "evil.ts"), 'console.log("evil"); process.exit(66);\n');
    const words = ["run", "--rm", "tiny", "echo", "calm"];
    const result = await world.tspod(words, { environment: variables });
    expect(result).toEqual({ exitCode: 0, stdout: "calm\n", stderr: "" });
  });

  test("starts ten times at once with an empty cache", async () => {
    await using world = await makeWorld();
    const environment = { XDG_CACHE_HOME: join(world.home, "fresh-cache"), TSPOD_SNAPSHOT: "no" };
    const results = await Promise.all(
      Array.from({ length: 10 }, () => world.tspod(["version"], { environment })),
    );
    expect(new Set(results.map(({ stdout }) => stdout)).size).toBe(1);
    expect(results.map(({ exitCode }) => exitCode)).toEqual(results.map(() => 0));
  });

  test("works where its working directory is gone", async () => {
    await using world = await makeWorld({ images: ["tiny"] });
    const script = `mkdir gone; cd gone; rmdir ../gone; exec ${tspodFile} run --rm tiny echo calm`;
    const child = Bun.spawn(["sh", "-c", script], {
      cwd: world.home,
      env: world.environment,
      stdout: "pipe",
    });
    expect(await child.stdout.text()).toBe("calm\n");
  });
});

/** elf(5), 64-bit: the p_type of every program header. */
function programHeaderTypes(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer);
  const start = Number(view.getBigUint64(32, true));
  const size = view.getUint16(54, true);
  const count = view.getUint16(56, true);
  return Array.from({ length: count }, (_, index) => view.getUint32(start + index * size, true));
}
