/** One action for each of several arguments: all are tried, each failure is told, the worst exit code is ours. */
import { printFailure } from "./failure.ts";
import { print } from "./output/print.ts";
import type { CliContext } from "./command.ts";

/** `action` gives the line to print for its argument, or null. */
export async function forEachArgument(
  context: CliContext,
  args: readonly string[],
  action: (arg: string) => Promise<string | null>,
): Promise<number> {
  let worst = 0;
  for (const arg of args) {
    try {
      const line = await action(arg);
      if (line !== null) await print(`${line}\n`);
    } catch (error) {
      worst = Math.max(worst, printFailure(error, context));
    }
  }
  return worst;
}
