/** Sizes as people write and read them, against what docker prints and accepts. */
import { describe, expect, test } from "bun:test";
import { TspodError } from "../../src/errors.ts";
import { formatSize, parseSize } from "../../src/lib/size.ts";

describe("formatSize()", () => {
  // Expected values as docker's go-units 0.5.0 prints them.
  test.each([
    [0, "0B", "0B"],
    [999, "999B", "999B"],
    [1000, "1kB", "1000B"],
    [1023, "1.023kB", "1023B"],
    [1024, "1.024kB", "1KiB"],
    [1234, "1.234kB", "1.205KiB"],
    [7_800_000, "7.8MB", "7.439MiB"],
    [7_834_567, "7.835MB", "7.472MiB"],
    [999_949, "999.9kB", "976.5KiB"],
    [999_999, "1000kB", "976.6KiB"],
    [1_050_000_000, "1.05GB", "1001MiB"],
    [1_048_576, "1.049MB", "1MiB"],
    [1.5e12, "1.5TB", "1.364TiB"],
    [999_999e12, "1000PB", "888.2PiB"],
  ])("prints %d bytes as docker does", (bytes, decimal, binary) => {
    expect(formatSize(bytes)).toBe(decimal);
    expect(formatSize(bytes, { isBinary: true })).toBe(binary);
  });

  test("keeps three digits when asked, never in exponent form", () => {
    expect(formatSize(7_834_567, { digits: 3 })).toBe("7.83MB");
    expect(formatSize(999_949, { digits: 3 })).toBe("1000kB");
  });

  test("refuses what is no size", () => {
    for (const value of [-1, NaN, Infinity]) expect(() => formatSize(value)).toThrow(RangeError);
  });
});

describe("parseSize()", () => {
  test.each([
    ["0", 0],
    ["32", 32],
    ["32b", 32],
    ["32K", 32768],
    ["32kb", 32768],
    ["32KiB", 32768],
    ["32.5kb", 33280],
    ["1.5g", 1_610_612_736],
    ["64m", 67_108_864],
    ["1t", 1_099_511_627_776],
    ["2p", 2_251_799_813_685_248],
    ["10 MiB", 10_485_760],
    [".5k", 512],
    ["5.k", 5120],
  ])("reads %p as docker does", (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  test.each(["", "b", "32ib", "32kk", "-1", "32bb", "1  k", "0x10", "1e3", "k", ".", "١k", "1k\n"])(
    "refuses %j and names the option",
    (text) => {
      const error = thrownBy(() => parseSize(text, "--memory"));
      expect(error).toBeInstanceOf(TspodError);
      expect(error).toMatchObject({
        code: "usage",
        message: `Invalid --memory "${text}": it is not a size`,
      });
    },
  );

  test("refuses a size no number can hold", () => {
    expect(() => parseSize("999999999999p")).toThrow("more bytes than any machine has");
    expect(() => parseSize("9".repeat(400))).toThrow("more bytes than any machine has");
  });

  test("reads back what formatSize() prints in binary units", () => {
    for (const bytes of [1, 512, 2 ** 10, 2 ** 20 * 64, 2 ** 30 * 1.5, 2 ** 40 * 3]) {
      expect(parseSize(formatSize(bytes, { isBinary: true }))).toBe(bytes);
    }
  });
});

function thrownBy(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}
