/** While a command stays with a container (or exec), the signals it gets go on to it. */
import { TspodError } from "../errors.ts";
import { boolean } from "./flags.ts";
import type { RunningHelper } from "../helper/index.ts";
import { parseSignal } from "../spec/index.ts";

/** What a user or a service manager sends. SIGWINCH, SIGTSTP and SIGCONT are between the client and its terminal. */
const forwarded = ["HUP", "INT", "QUIT", "TERM", "USR1", "USR2", "ALRM", "PWR"] as const;

export const signalFlag = {
  ...boolean("--sig-proxy", "Forward signals to the container; --sig-proxy=false does not"),
  isOnByDefault: true,
} as const;

/** From the moment there is a helper: a signal in between would end us and leave it alone. */
export function forwardSignals(helper: RunningHelper): void {
  for (const name of forwarded) {
    const number = parseSignal(name);
    process.on(`SIG${name}` as NodeJS.Signals, () => helper.signal(number));
  }
}

/** `-it` from a pipe is a mistake that docker refuses too. Throws usage. */
export async function requireTerminal(): Promise<void> {
  const { isatty } = await import("node:tty"); // 1.6 ms, for those who wait for a person anyway
  if (isatty(0)) return;
  throw new TspodError("usage", "-t needs a terminal, and standard input is not one", {
    next: "leave -t away, or run it from a terminal",
  });
}
