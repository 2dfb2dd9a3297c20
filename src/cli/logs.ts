/** `tspod logs`. */
import { getContainer, type LogEntry, readLog } from "../container/index.ts";
import { TspodError } from "../errors.ts";
import { defineCommand } from "./command.ts";
import { boolean, value } from "./flags.ts";

export default defineCommand({
  path: ["logs"],
  usage: "CONTAINER",
  summary: "Show what a container has written",
  flags: {
    follow: boolean("-f,--follow", "Go on until it ends"),
    timestamps: boolean("-t,--timestamps", "Show when each line was written"),
    tail: value("-n,--tail", "LINES", "Only the last lines"),
    since: value("--since", "TIME", "Only what came after: RFC 3339, seconds, or e.g. 10m"),
    until: value("--until", "TIME", "Only what came before"),
  },
  args: { min: 1, max: 1, completes: "container" },
  async run(context, flags, [name = ""]) {
    const container = getContainer(context, name);
    const isWanted = await timeFilter(flags.since, flags.until);
    const writer = new LogWriter(flags.timestamps);
    const tail = flags.tail === null || flags.tail === "all" ? Infinity : Number(flags.tail);
    if (Number.isNaN(tail)) {
      throw new TspodError("usage", `Invalid --tail "${flags.tail}"`, { next: "give a number" });
    }
    // what is in the log now may be cut to its tail; what comes after is shown as it comes
    const now = { ...container, state: { status: "created" as const } };
    const before: LogEntry[] = [];
    let skip = 0;
    for await (const entry of readLog(context, now, { follow: false, signal: context.signal })) {
      if (!flags.follow && tail === Infinity) {
        if (isWanted(entry)) await writer.write(entry);
        continue;
      }
      skip++;
      if (!isWanted(entry)) continue;
      before.push(entry);
      if (tail !== Infinity && before.length > tail * 2 + 64) cut(before, tail);
    }
    cut(before, tail);
    for (const entry of before) await writer.write(entry);
    if (flags.follow) {
      const options = { follow: true, signal: context.signal };
      for await (const entry of readLog(context, container, options)) {
        if (skip-- > 0) continue;
        if (isWanted(entry)) await writer.write(entry);
      }
    }
    await writer.end();
    return 0;
  },
});

/** Keep the last `lines` lines; pieces of one line count as one. */
function cut(entries: LogEntry[], lines: number): void {
  let from = entries.length;
  let kept = 0;
  while (from > 0) {
    const isEnd = entries[from - 1]?.isPartial === false || from === entries.length;
    if (isEnd && kept === lines) break;
    if (isEnd) kept++;
    from--;
  }
  if (lines === 0) from = entries.length;
  entries.splice(0, from);
}

/** stdout's lines to standard output, stderr's to standard error, in order. */
class LogWriter {
  readonly #sinks = { stdout: Bun.stdout.writer(), stderr: Bun.stderr.writer() };
  readonly #timestamps: boolean;
  #last: "stdout" | "stderr" = "stdout";
  #isLineStart = { stdout: true, stderr: true };

  constructor(timestamps: boolean) {
    this.#timestamps = timestamps;
  }

  async write({ stream, bytes, time, isPartial }: LogEntry): Promise<void> {
    if (stream !== this.#last) await this.#sinks[this.#last].flush();
    this.#last = stream;
    if (this.#timestamps && this.#isLineStart[stream]) this.#sinks[stream].write(`${time} `);
    this.#isLineStart[stream] = !isPartial;
    this.#sinks[stream].write(bytes);
    await this.#sinks[stream].flush();
  }

  async end(): Promise<void> {
    await this.#sinks.stdout.flush();
    await this.#sinks.stderr.flush();
  }
}

/** Log times are RFC 3339 in UTC with nanoseconds, so they compare as text up to the millisecond. */
async function timeFilter(
  since: string | null,
  until: string | null,
): Promise<(entry: LogEntry) => boolean> {
  if (since === null && until === null) return () => true;
  const { parseDuration } = await import("../lib/duration.ts");
  const instant = (flag: string, text: string): number => {
    if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1000;
    const parsed = Date.parse(text);
    return Number.isNaN(parsed) ? Date.now() - parseDuration(text, flag) : parsed;
  };
  const from = since === null ? -Infinity : instant("--since", since);
  const to = until === null ? Infinity : instant("--until", until);
  return ({ time }) => {
    const at = Date.parse(time);
    return at >= from && at <= to;
  };
}
