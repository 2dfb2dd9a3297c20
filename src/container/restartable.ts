/** Which containers should run after a reboot, by the rule that docker's daemon has for its own start. Pure. */
import type { CreateOptions } from "../spec/index.ts";
import type { Container } from "./find.ts";

/**
 * Of those that do not run: "always" whatever happened; "unless-stopped" and "on-failure" unless somebody stopped them,
 * the latter also not when they ended well. One that was never started waits for its first start.
 */
export function isRestartable({ options, state }: Pick<Container, "options" | "state">): boolean {
  if (state.status !== "exited") return false;
  const { life } = options as CreateOptions; // create recorded it
  switch (life?.restart.policy ?? "no") {
    case "no":
      return false;
    case "always":
      return true;
    case "unless-stopped":
      return state.stoppedByUser !== true;
    case "on-failure":
      return state.stoppedByUser !== true && state.exitCode !== 0;
  }
}
