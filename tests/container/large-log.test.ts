/** Large logs by the helper: the same bytes, in the same order, as of small ones; and what happens when nobody takes them. */
import { expect, test } from "bun:test";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { showLarge } from "../../src/container/large-log.ts";
import { openLog } from "../../src/container/log-files.ts";
import { decodeLog, type LogView, startOfLog } from "../../src/container/log-lines.ts";
import { type FileLog, helperCommand } from "../../src/helper/index.ts";
import { type Random, random } from "../support/random.ts";

const start = Date.parse("2025-01-31T12:34:56Z");
const instant = (number: number): string =>
  new Date(start + number).toISOString().replace("Z", "000000Z");

/** Lines of all kinds, some of which are none, and the beginning of one. */
function makeLog(driver: FileLog["driver"], { pick, below }: Random): string {
  const lines = Array.from({ length: 4000 }, (_, number) => {
    const [stream, time] = [pick(["stdout", "stdout", "stderr"]), instant(number)];
    const text = pick(["", "x", 'a "quoted" \\ one\t', "é<&>\u0001", "y".repeat(below(300))]);
    if (driver === "k8s-file") {
      const torn = below(50) === 0 ? `torn ${text}\n` : "";
      return `${torn}${time} ${stream} ${pick(["F", "F", "P"])} ${text}\n`;
    }
    const log = JSON.stringify(`${text}${pick(["\n", "\n", ""])}`).replaceAll("<", "\\u003c");
    return `{"log":${log},"stream":"${stream}","time":"${time}"}\n`;
  });
  return `${lines.join("")}${lines[0]?.slice(0, 50)}`;
}

const views: Partial<LogView>[] = [
  {},
  { hasTimes: true, prefix: "web " },
  { since: instant(1000), until: instant(3000) },
  { until: instant(0), hasTimes: true },
];

test.each(["k8s-file", "json-file"] as const)("%s: as a small one is shown", async (driver) => {
  const chance = random();
  using directory = temporary();
  const path = join(directory.path, "log");
  const text = makeLog(driver, chance);
  writeFileSync(path, text);
  for (const some of views) {
    const view = { ...{ since: null, until: null, hasTimes: false, prefix: "" }, ...some };
    const expected = startOfLog();
    const { runs } = decodeLog(driver, Buffer.from(text), view, expected);
    const { bytes, position, offset } = await shown(directory.path, { driver, path }, view);
    const what = `seed ${chance.seed}, ${JSON.stringify(some)}`;
    expect(bytes.equals(Buffer.concat(runs.map((run) => run.bytes))), what).toBe(true);
    expect(position).toEqual(expected);
    expect(position.isPast || offset === Buffer.from(text).lastIndexOf("\n") + 1, what).toBe(true);
  }
});

test("what somebody else has written is left to us", async () => {
  using directory = temporary();
  const path = join(directory.path, "log");
  const [first, second] = ["a\n", "b\n"].map(
    (log) => `${JSON.stringify({ log, stream: "stdout", time: instant(0) })}\n`,
  );
  writeFileSync(path, `${first}${second?.replace(":", ": ") ?? ""}`);
  const view = { since: null, until: null, hasTimes: false, prefix: "" };
  const { bytes, offset } = await shown(directory.path, { driver: "json-file", path }, view);
  expect([bytes.toString(), offset]).toEqual(["a\n", first?.length ?? 0]);
});

test("a disk that is full is an error with its name", async () => {
  using directory = temporary();
  const path = join(directory.path, "log");
  writeFileSync(path, `${instant(0)} stdout F text\n`);
  const view = { since: null, until: null, hasTimes: false, prefix: "" };
  const full = show({ driver: "k8s-file", path }, view, openSync("/dev/full", "w"));
  expect(await full.catch((error: { code: string }) => error.code)).toBe("ENOSPC");
});

/** Both streams in one file: their order is seen. */
async function shown(directory: string, log: FileLog, view: LogView) {
  const to = join(directory, "shown");
  const seen = await show(log, view, openSync(to, "w"));
  return { bytes: readFileSync(to), ...seen };
}

async function show(log: FileLog, view: LogView, sink: number) {
  const position = startOfLog();
  using file = openLog(log.path);
  if (file === null) throw new Error("no log");
  const large = { command: helperCommand(), sinks: { stdout: sink, stderr: sink } };
  const { signal } = new AbortController();
  try {
    await showLarge(large, { log, file, request: { ...view, signal }, position });
  } finally {
    closeSync(sink);
  }
  return { position, offset: file.offset };
}

function temporary() {
  const path = mkdtempSync(join(tmpdir(), "tspod-log-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true }) };
}
