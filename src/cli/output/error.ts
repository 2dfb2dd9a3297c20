/** Errors and warnings on standard error: a sentence, and what to do next. */
import { writeSync } from "node:fs";
import { isTerminal } from "./terminal.ts";
import { TspodError } from "../../errors.ts";
import { safe } from "./safe.ts";

type Environment = Record<string, string | undefined>;

/** Tell the user; the exit code. A stack is shown only with TSPOD_DEBUG=1. */
export function printError(error: unknown, environment: Environment): number {
  const known = error instanceof TspodError ? error : unexpected(error);
  printRaw(formatMessage("Error", known, { isColoured: wantsColour(environment) }));
  if (isSet(environment.TSPOD_DEBUG)) printRaw(`${Bun.inspect(error, { colors: false })}\n`);
  return known.exitCode;
}

export function printWarning(message: string, environment: Environment): void {
  printRaw(formatMessage("Warning", { message }, { isColoured: wantsColour(environment) }));
}

export interface Message {
  message: string;
  /** Each line of it becomes one, indented. */
  next?: string | undefined;
}

/** "Error: sentence\n  next\n". What the sentence quotes cannot act on the terminal. Pure. */
export function formatMessage(
  kind: "Error" | "Warning",
  { message, next }: Message,
  options: { isColoured: boolean },
): string {
  const label = options.isColoured ? `\x1b[1;${colours[kind]}m${kind}:\x1b[0m` : `${kind}:`;
  const lines = next === undefined ? [] : next.split("\n");
  return [`${label} ${safe(message)}`, ...lines.map((line) => `  ${safe(line)}`), ""].join("\n");
}

/** SGR red and yellow; two words need no library (chalk costs 3 ms). */
const colours = { Error: 31, Warning: 33 };

/** https://no-color.org: set and not empty means no colour. */
function wantsColour(environment: Environment): boolean {
  return !isSet(environment.NO_COLOR) && environment.TERM !== "dumb" && isTerminal(2);
}

function isSet(value: string | undefined): boolean {
  return value !== undefined && value !== "";
}

/** What nobody thought of, as an error of ours: what the host refuses has a remedy, the rest is a fault of tspod. */
export function unexpected(error: unknown): TspodError {
  const thrown = (error ?? {}) as Partial<Record<"message" | "code" | "syscall" | "path", unknown>>; // anything can be
  const { message, code, syscall, path } = thrown;
  if (code === "SQLITE_FULL" || code === "ENOSPC" || code === "EDQUOT") {
    return new TspodError("store.full", "No space left on the disk", {
      next: "free some, or set TSPOD_ROOT to a directory with room",
      cause: error,
    });
  }
  const limit = typeof syscall === "string" ? limits[String(code)] : undefined;
  if (limit !== undefined) {
    const [sentence, next] = limit;
    return new TspodError("host.limit", `${sentence} (${syscall}: ${code})`, {
      next,
      cause: error,
    });
  }
  if (/^(EACCES|EPERM|EROFS)$/.test(String(code)) && typeof path === "string") {
    return new TspodError("store.unwritable", `Cannot ${syscall} "${path}" (${code})`, {
      next: "check whose it is, its mode, and your umask",
      cause: error,
    });
  }
  const sentence = typeof message === "string" && message !== "" ? message : String(error);
  return new TspodError("internal", sentence, {
    next: "this is a fault of tspod; TSPOD_DEBUG=1 shows where",
    cause: error,
  });
}

/** getrlimit(2), or the whole host's. */
const limits: Readonly<Record<string, readonly [sentence: string, next: string]>> = {
  EAGAIN: ["You may not have more processes", "end some, or allow more: ulimit -u"],
  EMFILE: ["You may not have more files open", "allow more: ulimit -n 1024"],
  ENFILE: ["This host has too many files open", "end something, or raise sysctl fs.file-max"],
  ENOMEM: ["There is not enough memory", "end something, or allow more: ulimit -v"],
};

function printRaw(text: string): void {
  try {
    writeSync(2, text);
  } catch {
    // standard error is closed: nobody listens
  }
}
