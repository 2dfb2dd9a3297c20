/** From a log's lines to the bytes that the container wrote. */
import { describe, expect, test } from "bun:test";
import { decodeLog, type LogView, startOfLog, tailOffset } from "../../src/container/log-lines.ts";

const time = "2025-01-31T12:34:56.123456789Z";
const later = "2025-01-31T12:34:57.000000000Z";
const all: LogView = { since: null, until: null, hasTimes: false, prefix: "" };

function decode(
  text: string,
  view: Partial<LogView> = {},
  driver: "k8s-file" | "json-file" = "k8s-file",
) {
  const { runs, used } = decodeLog(
    driver,
    Buffer.from(text, "latin1"),
    { ...all, ...view },
    startOfLog(),
  );
  return {
    runs: runs.map(({ stream, bytes }) => [stream, Buffer.from(bytes).toString("latin1")]),
    used,
  };
}

describe("decodeLog()", () => {
  test("joins pieces of a line, keeps bytes, and tells the streams apart", () => {
    const text = [
      `${time} stdout P one`,
      `${time} stdout F  two\xff`,
      `${time} stderr F err`,
      `${time} stdout F `,
      `${time} stdout P end`,
    ];
    const expected = [
      ["stdout", "one two\xff\n"],
      ["stderr", "err\n"],
      ["stdout", "\nend"],
    ];
    expect(decode(`${text.join("\n")}\n${time} stdo`)).toEqual({
      runs: expected,
      used: text.join("\n").length + 1,
    });
    // the way for lines that are looked at one by one comes to the same
    expect(decode(`${text.join("\n")}\n`, { since: "2000" }).runs).toEqual(expected);
  });

  test("times and prefixes begin lines, not their pieces", () => {
    const text = `${time} stdout P one\n${time} stdout F two\n${later} stdout F three\n`;
    expect(decode(text, { hasTimes: true, prefix: "web " }).runs).toEqual([
      ["stdout", `web ${time} onetwo\nweb ${later} three\n`],
    ]);
  });

  test("since and until", () => {
    const text = `${time} stdout F a\n${later} stdout F b\n`;
    expect(decode(text, { since: later }).runs).toEqual([["stdout", "b\n"]]);
    expect(decode(text, { until: time }).runs).toEqual([["stdout", "a\n"]]);
  });

  test("what is no line is skipped", () => {
    expect(
      decode(`nonsense\n${time} stdout F a\nand more nonsense that is as long as a line is\n`).runs,
    ).toEqual([["stdout", "a\n"]]);
    expect(decode("\n\n\n").runs).toEqual([]);
    expect(decode('{"log":1}\n{"log":"x\n', {}, "json-file").runs).toEqual([]);
  });

  test("docker's lines", () => {
    const line = (log: string, stream: string) => `${JSON.stringify({ log, stream, time })}\n`;
    expect(
      decode(line("a\n", "stdout") + line("b", "stderr") + line("c\n", "stderr"), {}, "json-file")
        .runs,
    ).toEqual([
      ["stdout", "a\n"],
      ["stderr", "bc\n"],
    ]);
  });
});

describe("tailOffset()", () => {
  const text = `${time} stdout F a\n${time} stdout P b\n${time} stdout F c\n${time} stdout P d\n`;
  test.each([
    [0, ""],
    [1, "d"],
    [2, "bc\nd"],
    [3, "a\nbc\nd"],
    [9, "a\nbc\nd"],
  ])("%i lines", (count, expected) => {
    const { offset } = tailOffset("k8s-file", Buffer.from(text), count);
    expect(
      decode(text.slice(offset))
        .runs.map(([, bytes]) => bytes)
        .join(""),
    ).toBe(expected);
  });
});
