/** Staying with a container (or exec) until it ends: signals go on to it, its exit code is ours. */
import type { ContainerContext } from "../container/index.ts";
import { discardFiles } from "../container/index.ts";
import type { RunningHelper } from "../helper/index.ts";
import { parseSignal } from "../spec/index.ts";
import { deleteContainer } from "../store/containers.ts";

/** What a user or a service manager sends. SIGWINCH, SIGTSTP and SIGCONT are between the client and its terminal. */
const forwarded = ["HUP", "INT", "QUIT", "TERM", "USR1", "USR2", "ALRM", "PWR"] as const;

/** The exit code, or null when the user detached. */
export async function followToEnd(helper: RunningHelper): Promise<number | null> {
  for (const name of forwarded) {
    const number = parseSignal(name);
    process.on(`SIG${name}` as NodeJS.Signals, () => helper.signal(number));
  }
  return helper.ended;
}

/** The row of a `--rm` container: its monitor has removed the files already. */
export async function forgetContainer(context: ContainerContext, id: string): Promise<void> {
  deleteContainer(context.database, id);
  await discardFiles(context, id);
}
