/** The launcher's Zstandard decoder against the encoder everybody uses; built with safety checks for this. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { constants, zstdCompressSync } from "node:zlib";
import { zig } from "../../zig/single-file/zig.ts";
import { random as makeRandom } from "../support/random.ts";
import { treeRoot } from "../support/tree.ts";

const prefix = mkdtempSync(join(tmpdir(), "tspod-unzstd-"));

/** Status 1 is what it says about damaged input; a failed safety check is a signal. */
function unzstd(frame: Uint8Array, size: number): { exitCode: number | null; content: Buffer } {
  const child = Bun.spawnSync([join(prefix, "bin/unzstd"), `${size}`], { stdin: frame });
  return { exitCode: child.exitCode, content: child.stdout };
}

function compress(content: Uint8Array, level: number): Buffer {
  return zstdCompressSync(content, { params: { [constants.ZSTD_c_compressionLevel]: level } });
}

beforeAll(async () => {
  await zig("build", "unzstd", "--prefix", prefix);
}, 120_000);

afterAll(() => rmSync(prefix, { recursive: true }));

const random = makeRandom();
const noise = Buffer.from(Array.from({ length: 300_000 }, () => random.below(256)));
const letters = Buffer.from(
  Array.from({ length: 300_000 }, () => 97 + Math.floor(random.next() ** 3 * 20)),
);
const contents: Record<string, Buffer> = {
  nothing: Buffer.alloc(0),
  "one byte": Buffer.from("x"),
  "a few words": Buffer.from("to be or not to be, that is the question"),
  "only zeroes": Buffer.alloc(1_000_000),
  "period of three": Buffer.from("abc".repeat(100_000)),
  noise,
  "uneven letters": letters,
  "noise, then the same again": Buffer.concat([noise, noise]),
  "a program": readFileSync(process.execPath).subarray(40_000_000, 41_000_000),
  "its own source": readFileSync(join(treeRoot, "zig/single-file/zstd.zig")),
};

describe("decode()", () => {
  for (const [name, content] of Object.entries(contents)) {
    test.each([1, 3, 9, 19])(`gives back ${name}, level %d`, (level) => {
      const { exitCode, content: decoded } = unzstd(compress(content, level), content.length);
      expect(exitCode).toBe(0);
      expect(decoded.equals(content)).toBe(true);
    });
  }

  test("refuses a frame of another size", () => {
    const frame = compress(letters, 3);
    expect(unzstd(frame, letters.length - 1).exitCode).toBe(1);
    expect(unzstd(frame, letters.length + 1).exitCode).toBe(1);
  });

  test("refuses every frame that is cut short", () => {
    const content = contents["its own source"] ?? noise;
    const frame = compress(content, 19);
    for (let length = 0; length < frame.length; length += 61) {
      expect(unzstd(frame.subarray(0, length), content.length).exitCode).toBe(1);
    }
  });

  test(`reads and writes nothing outside, whatever is damaged (seed ${random.seed})`, () => {
    const content = letters.subarray(0, 20_000);
    for (const level of [1, 19]) {
      const frame = compress(content, level);
      for (let round = 0; round < 200; round++) {
        const damaged = Buffer.from(frame);
        for (let i = 0; i <= round % 4; i++) {
          damaged[random.below(damaged.length)] = random.below(256);
        }
        expect(unzstd(damaged, content.length).exitCode).toBeOneOf([0, 1]);
      }
    }
  });
});
