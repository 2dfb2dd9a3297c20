/** While a command stays with a container (or exec), the signals it gets go on to it. */
import { discardContainer } from "../container/index.ts";
import { TspodError } from "../errors.ts";
import type { RunningHelper } from "../helper/index.ts";
import { parseSignal } from "../spec/index.ts";
import type { ContainerRecord } from "../store/containers.ts";
import type { CliContext } from "./command.ts";
import { boolean } from "./flags.ts";

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

/** Until it ends or the user leaves: the exit code. One that removes itself is gone then. */
export async function stayUntilItEnds(
  context: CliContext,
  container: Pick<ContainerRecord, "id" | "autoRemove">,
  helper: RunningHelper,
  { sigProxy }: { sigProxy: boolean },
): Promise<number> {
  if (sigProxy) forwardSignals(helper);
  await helper.started;
  const code = await helper.ended;
  if (code !== null && container.autoRemove) await discardContainer(context, container);
  return code ?? 0;
}

/** `-it` from a pipe is a mistake that docker refuses too. Throws usage. */
export async function requireTerminal(): Promise<void> {
  const { isatty } = await import("node:tty"); // 1.6 ms, for those who wait for a person anyway
  if (isatty(0)) return;
  throw new TspodError("usage", "-t needs a terminal, and standard input is not one", {
    next: "leave -t away, or run it from a terminal",
  });
}
