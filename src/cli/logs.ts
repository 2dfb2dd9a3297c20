/** `tspod logs`. */
import {
  type Container,
  getContainer,
  listContainers,
  type LogRun,
  readLog,
} from "../container/index.ts";
import { TspodError } from "../errors.ts";
import { defineCommand } from "./command.ts";
import { boolean, value } from "./flags.ts";

export default defineCommand({
  path: ["logs"],
  usage: "CONTAINER [CONTAINER...]",
  summary: "Show what containers have written",
  flags: {
    follow: boolean("-f,--follow", "Go on until it ends"),
    timestamps: boolean("-t,--timestamps", "Show when each line was written"),
    tail: value("-n,--tail", "LINES", "Only the last lines"),
    since: value("--since", "TIME", "Only what came after: RFC 3339, seconds, or e.g. 10m"),
    until: value("--until", "TIME", "Only what came before"),
    names: boolean("--names", "Begin each line with the container's name"),
    color: boolean("--color", "Each container's lines begin in a colour of its own"),
    details: boolean("--details", "Accepted: of a line nothing is kept but when it was written"),
    latest: boolean("-l,--latest", "The container that was created last"),
  },
  args: { min: 0, max: Infinity, completes: "container" },
  onlyLooks: true,
  async run(context, flags, names) {
    const tail = parseTail(flags.tail);
    const since = await parseInstant("--since", flags.since);
    const until = await parseInstant("--until", flags.until);
    const containers = flags.latest
      ? listContainers(context).slice(0, 1)
      : names.map((name) => getContainer(context, name));
    if (containers.length === 0 || (flags.latest && names.length > 0)) {
      throw new TspodError("usage", '"tspod logs" needs a container', {
        next: "name some, or use --latest for the one that was created last",
      });
    }
    const read = (container: Container, index: number): Promise<void> =>
      readLog(context, container, {
        ...{ follow: flags.follow, tail, since, until, signal: context.signal, write },
        hasTimes: flags.timestamps,
        prefix: prefixOf(container, index, { ...flags, isOne: containers.length === 1 }),
        // one at a time: two processes would write into each other's lines
        ...(flags.follow && containers.length > 1
          ? {}
          : { large: { command: context.helper, sinks: { stdout: 1, stderr: 2 } } }),
      });
    try {
      if (flags.follow) await Promise.all(containers.map(read));
      else for (const [index, container] of containers.entries()) await read(container, index);
    } catch (error) {
      // whoever only reads needs no room: it is the other side that has none
      if (!/^(ENOSPC|EDQUOT|EFBIG)$/.test((error as NodeJS.ErrnoException).code ?? "")) throw error;
      const { explainOutput } = await import("./output/sink.ts");
      throw explainOutput(error, "to standard output");
    }
    return 0;
  },
});

let last = Promise.resolve();

/** stdout's lines to standard output, stderr's to standard error, in order. A reader that is gone ends the command. */
async function write({ stream, bytes }: LogRun): Promise<void> {
  const target = stream === "stdout" ? Bun.stdout : Bun.stderr;
  last = last.then(async () => void (await Bun.write(target, bytes)));
  await last;
}

const shortIdLength = 12;
/** As podman: not black, not white. */
const colors = [31, 32, 33, 34, 35, 36];

function prefixOf(
  { id, name }: Container,
  index: number,
  { names, color, isOne }: { names: boolean; color: boolean; isOne: boolean },
): string {
  if (isOne && !names && !color) return "";
  const word = names ? name : id.slice(0, shortIdLength);
  return color ? `\x1b[${colors[index % colors.length]}m${word}\x1b[0m ` : `${word} `;
}

function parseTail(text: string | null): number {
  if (text === null || text === "all" || text === "-1") return Infinity;
  if (/^\d+$/.test(text)) return Number(text);
  throw new TspodError("usage", `Invalid --tail "${text}"`, { next: "give a number, or all" });
}

/** As the log has it: UTC with nanoseconds, which compares as text. */
async function parseInstant(flag: string, text: string | null): Promise<string | null> {
  if (text === null) return null;
  const seconds = /^(\d+)(?:\.(\d{1,9}))?$/.exec(text);
  if (seconds !== null) {
    const [, whole = "0", fraction = ""] = seconds;
    return instant(Number(whole) * 1000).replace(/\.\d+/, `.${fraction.padEnd(9, "0")}`);
  }
  const parsed = Date.parse(text);
  if (!Number.isNaN(parsed)) {
    const fraction = /\.(\d{1,9})/.exec(text)?.[1];
    if (fraction === undefined) return instant(parsed);
    return instant(parsed).replace(/\.\d+/, `.${fraction.padEnd(9, "0")}`);
  }
  const { parseDuration } = await import("../lib/duration.ts");
  try {
    return instant(Date.now() - parseDuration(text, flag));
  } catch (error) {
    if (!(error instanceof TspodError)) throw error;
    throw new TspodError("usage", error.message, {
      next: "give a date such as 2026-01-31T12:00:00Z, seconds since 1970, or a time ago such as 10m",
    });
  }
}

const instant = (ms: number): string => new Date(ms).toISOString().replace("Z", "000000Z");
