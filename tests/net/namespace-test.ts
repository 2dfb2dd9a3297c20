/** Tests whose host is a namespace of their own (bare-container.ts): skipped where nobody may have one. */
import type { test } from "bun:test";
import { type Requirement, program, testWith, tunDevice } from "../support/requirements.ts";
import { unshareWords } from "./bare-container.ts";

export function namespaceTest(...more: Requirement[]): typeof test {
  return testWith(tunDevice, program("ip", "iproute2"), ...more, () =>
    Bun.spawnSync([...unshareWords, "true"]).exitCode === 0
      ? undefined
      : "no user namespace of one's own (unshare -Urnm)",
  );
}
