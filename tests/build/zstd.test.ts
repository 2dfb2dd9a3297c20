/** Our Zstandard decoder, the launcher's and the helper's, against the encoder everybody uses; with safety checks. */
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
function unzstd(frames: Uint8Array, size?: number): { exitCode: number | null; content: Buffer } {
  const words = size === undefined ? [] : [`${size}`];
  const child = Bun.spawnSync([join(prefix, "bin/unzstd"), ...words], { stdin: frames });
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
  "its own source": readFileSync(join(treeRoot, "zig/src/zstd/zstd.zig")),
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

/** As the header of a frame has it (RFC 8878 section 3.1.1.1.2). */
const windowLog = (log: number): Record<number, number> => ({ [constants.ZSTD_c_windowLog]: log });

describe("stream.decode()", () => {
  const frame = (content: Uint8Array, params: Record<number, number> = {}): Buffer =>
    zstdCompressSync(content, { params });
  const skippable = Buffer.concat([Buffer.from("5e2a4d1803000000", "hex"), Buffer.from("abc")]);

  test("gives back any number of frames, and passes over what is to be skipped", () => {
    const all = Object.values(contents);
    const checked = { [constants.ZSTD_c_checksumFlag]: 1 };
    const frames = all.flatMap((content) => [frame(content), skippable, frame(content, checked)]);
    const { exitCode, content } = unzstd(Buffer.concat(frames));
    expect(exitCode).toBe(0);
    expect(content.equals(Buffer.concat(all.flatMap((one) => [one, one])))).toBe(true);
    expect(unzstd(Buffer.alloc(0))).toEqual({ exitCode: 0, content: Buffer.alloc(0) });
  });

  test("finds what is a whole window back, again and again as the buffer moves on", () => {
    const mebi = 1024 * 1024;
    for (const log of [10, 20, 24]) {
      const repeated = Buffer.from(new Uint8Array(2 ** log - 1000).map(() => random.below(256)));
      const content = Buffer.concat(
        Array<Buffer>(Math.ceil((48 * mebi) / 2 ** log)).fill(repeated),
      );
      const parts = content.subarray(0, 48 * mebi);
      const { exitCode, content: decoded } = unzstd(frame(parts, windowLog(log)));
      expect(exitCode).toBe(0);
      expect(decoded.equals(parts)).toBe(true);
    }
  }, 60_000);

  test("refuses a window of more than 128 MiB, a dictionary, a wrong checksum, what is no frame, and what is cut short", () => {
    const good = frame(letters, { [constants.ZSTD_c_checksumFlag]: 1 });
    const bad = Buffer.from(good);
    bad[bad.length - 1] = (bad.at(-1) ?? 0) ^ 1;
    for (const refused of [
      ...[Buffer.from("28b52ffd0091010000", "hex"), Buffer.from("28b52ffd01000501000000", "hex")],
      ...[bad, Buffer.from("nothing"), Buffer.from("28b5"), skippable.subarray(0, 10)],
      ...[1, 4, 5, 6, 9, 1000, good.length - 1].map((length) => good.subarray(0, length)),
      Buffer.concat([good, good.subarray(0, 100)]),
    ]) {
      expect(unzstd(refused).exitCode).toBe(1);
    }
  });

  test(`reads and writes nothing outside, whatever is damaged (seed ${random.seed})`, () => {
    const good = Buffer.concat([frame(letters.subarray(0, 9000)), skippable, frame(letters)]);
    for (let round = 0; round < 200; round++) {
      const damaged = Buffer.from(good);
      for (let i = 0; i <= round % 4; i++)
        damaged[random.below(damaged.length)] = random.below(256);
      expect(unzstd(damaged).exitCode).toBeOneOf([0, 1]);
    }
  });
});
