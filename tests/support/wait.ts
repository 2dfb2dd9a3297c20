/** Waiting for a condition, never for time. The only place in the tests that sleeps. */

const pollMs = 5;
const defaultTimeoutMs = 15_000;

/** The first truthy value of `condition`; after the timeout an error that says what never came. */
export async function until<T>(
  what: string,
  condition: () => T | Promise<T>,
  options: { timeoutMs?: number } = {},
): Promise<Exclude<T, undefined | null | false | "" | 0>> {
  const deadline = performance.now() + (options.timeoutMs ?? defaultTimeoutMs);
  for (;;) {
    const value = await condition();
    if (value) return value as Exclude<T, undefined | null | false | "" | 0>; // just seen to be truthy
    if (performance.now() > deadline) throw new Error(`It never came to this: ${what}`);
    await Bun.sleep(pollMs);
  }
}

/** The moments of kill trials are given, not waited for. */
export function delay(ms: number): Promise<void> {
  return Bun.sleep(ms);
}
