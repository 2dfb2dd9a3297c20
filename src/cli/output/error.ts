/** Errors and warnings on standard error: a sentence, and what to do next. */
import { writeSync } from "node:fs";
import { TspodError } from "../../errors.ts";
import { safe } from "./safe.ts";

type Environment = Record<string, string | undefined>;

/** Tell the user; the exit code. A stack is shown only with TSPOD_DEBUG=1. */
export function printError(error: unknown, environment: Environment): number {
  const known = error instanceof TspodError ? error : unexpected(error);
  const next = known.next === undefined ? "" : `  ${safe(known.next)}\n`;
  printRaw(`Error: ${safe(known.message)}\n${next}`);
  if (environment.TSPOD_DEBUG) printRaw(`${Bun.inspect(error)}\n`);
  return known.exitCode;
}

export function printWarning(message: string, _: Environment): void {
  printRaw(`Warning: ${safe(message)}\n`);
}

function unexpected(error: unknown): TspodError {
  const { message, code } = error as { message?: string; code?: string };
  if (code === "SQLITE_FULL" || code === "ENOSPC" || code === "EDQUOT") {
    return new TspodError("store.full", "No space left on the disk", {
      next: "free some, or set TSPOD_ROOT to a directory with room",
    });
  }
  return new TspodError("internal", `${message ?? String(error)}`, {
    next: "this is a fault of tspod; TSPOD_DEBUG=1 shows where",
  });
}

function printRaw(text: string): void {
  try {
    writeSync(2, text);
  } catch {
    // standard error is closed: nobody listens
  }
}
