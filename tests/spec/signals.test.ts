/** Signal names in and out (signal(7)). */
import { expect, test } from "bun:test";
import { formatSignal, parseSignal } from "../../src/spec/index.ts";

test.each([
  ["TERM", 15],
  ["SIGTERM", 15],
  ["sigkill", 9],
  ["9", 9],
  ["USR1", 10],
  ["RTMIN+3", 37],
  ["SIGRTMAX-1", 63],
  ["RTMIN", 34],
])("parseSignal(%p) is %p", (text, number) => {
  expect(parseSignal(text)).toBe(number);
});

test.each(["", "0", "65", "TERMX", "SIG", "-9", "1.5", "RTMIN+99"])("refuses %p", (text) => {
  expect(() => parseSignal(text)).toThrow(`Invalid signal "${text}"`);
});

test("formatSignal() gives a name that parses back", () => {
  for (let signal = 1; signal <= 64; signal++) {
    if (signal === 32 || signal === 33) continue; // libc keeps these two
    expect(parseSignal(formatSignal(signal))).toBe(signal);
  }
});
