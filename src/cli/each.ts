/** One action for each of several arguments: all are tried, each failure is told, the worst exit code is ours. */
import { type ErrorCode, TspodError } from "../errors.ts";
import { printFailure } from "./failure.ts";
import { print } from "./output/print.ts";
import type { CliContext } from "./command.ts";

/** `action` gives the line to print for its argument, or null. `exitCodes`: other ones than usual, by error. */
export async function forEachArgument(
  context: CliContext,
  args: readonly string[],
  action: (arg: string) => Promise<string | null>,
  exitCodes: Partial<Record<ErrorCode, number>> = {},
): Promise<number> {
  let worst = 0;
  for (const arg of args) {
    try {
      const line = await action(arg);
      if (line !== null) await print(`${line}\n`);
    } catch (error) {
      const usual = printFailure(error, context);
      const own = error instanceof TspodError ? exitCodes[error.code] : undefined;
      worst = Math.max(worst, own ?? usual);
    }
  }
  return worst;
}
