/** Spans of time, against what docker prints and Go accepts. */
import { describe, expect, test } from "bun:test";
import { formatDuration, parseDuration } from "../../src/lib/duration.ts";

describe("formatDuration()", () => {
  // Expected values as docker's go-units 0.5.0 prints them.
  test.each([
    ["0s", "Less than a second"],
    ["999ms", "Less than a second"],
    ["1s", "1 second"],
    ["1900ms", "1 second"],
    ["59.9s", "59 seconds"],
    ["60s", "About a minute"],
    ["119s", "About a minute"],
    ["2m", "2 minutes"],
    ["59m59s", "59 minutes"],
    ["1h", "About an hour"],
    ["89m59s", "About an hour"],
    ["90m", "2 hours"],
    ["47h29m", "47 hours"],
    ["47h30m", "2 days"],
    ["71h", "2 days"],
    ["335h", "13 days"],
    ["336h", "2 weeks"],
    ["1439h", "8 weeks"],
    ["1440h", "2 months"],
    ["17519h", "24 months"],
    ["17520h", "2 years"],
    ["20000h30m", "2 years"],
    ["87600h", "10 years"],
  ])("prints %s as %p, as docker does", (duration, expected) => {
    expect(formatDuration(parseDuration(duration))).toBe(expected);
  });

  test("takes a clock that ran backwards for no time at all", () => {
    expect(formatDuration(-5000)).toBe("Less than a second");
  });
});

describe("parseDuration()", () => {
  test.each([
    ["1h30m", 5_400_000],
    ["10s", 10_000],
    ["-1.5h", -5_400_000],
    ["+5s", 5000],
    ["0", 0],
    ["-0", 0],
    ["1m1m", 120_000],
    ["1us", 0.001],
    ["1µs", 0.001],
    ["1μs", 0.001],
    ["100ns", 0.0001],
    [".5s", 500],
    ["1.s", 1000],
  ])("reads %s as Go does", (text, milliseconds) => {
    expect(parseDuration(text)).toBeCloseTo(milliseconds, 6);
  });

  test.each(["1", "", "s", "1x", "1h 2m", "1.2.3s", "3000000h", "-", "--1s", ".s", " 1s", "1s\n"])(
    "refuses %j and names the option",
    (text) => {
      expect(() => parseDuration(text, "--time")).toThrow(`Invalid --time "${text}"`);
    },
  );

  test("stays quick on a long hostile string", () => {
    expect(() => parseDuration("1h".repeat(100_000))).not.toThrow();
    expect(() => parseDuration("1".repeat(1_000_000))).toThrow("Invalid duration");
  });
});
