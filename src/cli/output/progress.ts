/** Shows a pull as plain lines on standard error. */
import { writeSync } from "node:fs";
import type { PullEvent } from "../../image/index.ts";

export function createProgress(_: Record<string, string | undefined>): (event: PullEvent) => void {
  return (event) => {
    if (event.kind === "resolving") writeSync(2, `Pulling ${event.reference}\n`);
  };
}
