/** A picture that is drawn again every so often, until somebody ends it: `ps --watch`, `stats`. */
import type { CliContext } from "../command.ts";
import { openScreen } from "./screen.ts";

/** `text` gives null when there is nothing more to come. */
export async function repeat(
  { signal }: Pick<CliContext, "signal">,
  intervalSeconds: number,
  text: () => Promise<string | null>,
  options: { isReset: boolean } = { isReset: true },
): Promise<number> {
  const screen = openScreen(options);
  for (;;) {
    const next = await text();
    if (next === null) return 0;
    if (!(await screen.draw(next))) return 0;
    await pause(intervalSeconds * 1000, signal);
  }
}

/** Rejects when the user gives up. */
function pause(durationMs: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  signal.throwIfAborted();
  const timer = setTimeout(resolve, durationMs);
  signal.addEventListener("abort", () => {
    clearTimeout(timer);
    reject(signal.reason);
  });
  return promise;
}
