/**
 * From the lines of a log file to what the container wrote. Works on whole pieces of a file: no object for each line, and
 * the bytes stay where they are, moved together in the piece itself. Pure.
 */
import type { FileLog } from "../helper/index.ts";

export type LogStream = "stdout" | "stderr";

/** Bytes of one stream, in the order in which they came. */
export interface LogRun {
  stream: LogStream;
  bytes: Uint8Array;
}

export interface LogView {
  /** RFC 3339, UTC, nanoseconds: lines of that moment and later. */
  since: string | null;
  /** Lines before it, and of it. */
  until: string | null;
  /** Show when each line was written. */
  hasTimes: boolean;
  /** Before each line, of each stream. */
  prefix: string;
}

/** Between two pieces. */
export interface LogPosition {
  /** Of stdout and stderr: whether what comes next begins a line. */
  isLineStart: [boolean, boolean];
  /** A line was found that is later than `until`: there is nothing more to see. */
  isPast: boolean;
}

export const startOfLog = (): LogPosition => ({ isLineStart: [true, true], isPast: false });

const newline = 0x0a;

/** Whole lines of `data`, which is overwritten; how many bytes of it they took. Lines that are none are skipped. */
export function decodeLog(
  driver: FileLog["driver"],
  data: Buffer,
  view: LogView,
  position: LogPosition,
): { runs: LogRun[]; used: number } {
  const used = data.lastIndexOf(newline) + 1;
  if (used === 0) return { runs: [], used };
  const lines = data.subarray(0, used);
  const isPlain = driver === "k8s-file" && !view.hasTimes && view.prefix === "";
  const isFiltered = view.since !== null || view.until !== null;
  const runs =
    isPlain && !isFiltered ? compact(lines, position) : rewrite(driver, lines, view, position);
  return { runs, used };
}

/** "2025-01-31T12:34:56.123456789Z stdout F " */
const timeLength = 30;
const textAt = timeLength + " stdout F ".length;
const letterAt = timeLength + " std".length;
const tagAt = textAt - 2;
const letterO = 0x6f; // of stdout
const letterP = 0x50;
const space = 0x20;

/** The texts of CRI lines, moved to the front; a run for each change of the stream. */
function compact(lines: Buffer, { isLineStart }: LogPosition): LogRun[] {
  const runs: LogRun[] = [];
  let isOut = true;
  let from = 0;
  let to = 0;
  for (let start = 0; start < lines.length;) {
    const end = lines.indexOf(newline, start + textAt - 1);
    if (end < 0) break; // shorter than any line: nothing that we wrote
    if (lines[start + timeLength] !== space || lines[start + textAt - 1] !== space) {
      start = lines.indexOf(newline, start) + 1;
      continue;
    }
    const isThisOut = lines[start + letterAt] === letterO;
    if (isThisOut !== isOut) {
      if (to > from) runs.push({ stream: nameOf(isOut), bytes: lines.subarray(from, to) });
      from = to;
      isOut = isThisOut;
    }
    const isPartial = lines[start + tagAt] === letterP;
    const textEnd = isPartial ? end : end + 1;
    lines.copyWithin(to, start + textAt, textEnd);
    to += textEnd - start - textAt;
    isLineStart[isThisOut ? 0 : 1] = !isPartial;
    start = end + 1;
  }
  if (to > from) runs.push({ stream: nameOf(isOut), bytes: lines.subarray(from, to) });
  return runs;
}

const nameOf = (isOut: boolean): LogStream => (isOut ? "stdout" : "stderr");

interface LogLine {
  stream: LogStream;
  time: string;
  text: Uint8Array;
  /** It goes on. */
  isPartial: boolean;
}

/** Line by line: what has to be looked at, or gets something before it. */
function rewrite(
  driver: FileLog["driver"],
  lines: Buffer,
  view: LogView,
  position: LogPosition,
): LogRun[] {
  const runs: { stream: LogStream; parts: Uint8Array[] }[] = [];
  for (let start = 0; start < lines.length;) {
    const end = lines.indexOf(newline, start);
    const line = parseLine(driver, lines.subarray(start, end + 1));
    start = end + 1;
    if (line === null || (view.since !== null && line.time < view.since)) continue;
    if (view.until !== null && line.time > view.until) {
      position.isPast = true;
      break;
    }
    let run = runs.at(-1);
    if (run === undefined || run.stream !== line.stream) {
      run = { stream: line.stream, parts: [] };
      runs.push(run);
    }
    const index = line.stream === "stdout" ? 0 : 1;
    if (position.isLineStart[index]) {
      const before = `${view.prefix}${view.hasTimes ? `${line.time} ` : ""}`;
      if (before !== "") run.parts.push(Buffer.from(before));
    }
    run.parts.push(line.text);
    position.isLineStart[index] = !line.isPartial;
  }
  return runs.map(({ stream, parts }) => ({ stream, bytes: Buffer.concat(parts) }));
}

function parseLine(driver: FileLog["driver"], line: Buffer): LogLine | null {
  if (driver === "json-file") return parseJson(line);
  if (line[timeLength] !== space || line[textAt - 1] !== space) return null;
  const isPartial = line[tagAt] === letterP;
  return {
    stream: nameOf(line[letterAt] === letterO),
    time: line.toString("latin1", 0, timeLength),
    text: line.subarray(textAt, isPartial ? -1 : undefined),
    isPartial,
  };
}

function parseJson(line: Buffer): LogLine | null {
  try {
    const { log, stream, time } = JSON.parse(line.toString()) as Record<string, unknown>;
    if (typeof log !== "string" || typeof time !== "string") return null;
    if (stream !== "stdout" && stream !== "stderr") return null;
    return { stream, time, text: Buffer.from(log), isPartial: !log.endsWith("\n") };
  } catch {
    return null; // a line that a power cut has torn
  }
}

/** Where the last `count` lines of `data` begin, and how many there are; pieces of one line count as one. */
export function tailOffset(
  driver: FileLog["driver"],
  data: Buffer,
  count: number,
): { offset: number; found: number } {
  let found = 0;
  let offset = data.length;
  if (count === 0) return { offset, found };
  let isLast = true;
  for (let end = data.length; end > 0;) {
    const start = end < 2 ? 0 : data.lastIndexOf(newline, end - 2) + 1;
    if (isLast || !isPartialLine(driver, data.subarray(start, end))) {
      if (found === count) return { offset, found };
      found++;
    }
    isLast = false;
    offset = start;
    end = start;
  }
  return { offset, found };
}

function isPartialLine(driver: FileLog["driver"], line: Buffer): boolean {
  if (driver === "json-file") return !line.includes('\\n","stream"');
  return line[tagAt] === letterP;
}
