/** The memory that zstd's frames ask for, as zstd itself writes them. */
import { expect, test } from "bun:test";
import { constants, zstdCompressSync } from "node:zlib";
import { zstdWindowBytes } from "../../src/image/zstd-window.ts";

const mebi = 1024 * 1024;
const packed = (sizeBytes: number, windowLog?: number): Uint8Array =>
  zstdCompressSync(new Uint8Array(sizeBytes), {
    params: windowLog === undefined ? {} : { [constants.ZSTD_c_windowLog]: windowLog },
  });

test.each([
  ["less than 256 bytes", packed(100), 100],
  ["some hundred bytes", packed(300), 300],
  ["some thousand bytes", packed(100_000), 100_000],
  ["more than a window", packed(20 * mebi, 23), 8 * mebi],
  ["2^31, which is more than anybody gives", Buffer.from("28b52ffd00a8010000", "hex"), 2 ** 31],
  ["a mantissa", Buffer.from("28b52ffd000b", "hex"), 2048 + (2048 / 8) * 3],
  ["a skipped frame", Buffer.from("502a4d180400000001020304", "hex"), undefined],
  ["gzip", Bun.gzipSync(new Uint8Array(100)), undefined],
  ["cut off", Buffer.from("28b52ffd", "hex"), undefined],
  ["cut off in its size", Buffer.from("28b52ffde00000", "hex"), undefined],
])("zstdWindowBytes() of %s", (_, head, expected) => {
  expect(zstdWindowBytes(head.subarray(0, 18))).toBe(expected);
});
