/** Standing still and going on again of a whole cgroup (cgroup-v2.rst, "cgroup.freeze" and "cgroup.events"). */
import { readFileSync, writeFileSync } from "node:fs";
import { type FileChanges, watchChanges } from "../lib/file-changes.ts";

/** How long a group may take to stand still: a process that waits in the kernel does not. */
const freezingMs = 10_000;

export type Frozen = "done" | "gone" | "busy";

/**
 * Stop every process of the group, or let them go on, and wait until the kernel says that it is so. "gone": there is no
 * such group any more. "busy": it does not stand still in time, and goes on as it was.
 */
export async function setFrozen(group: string, wanted: "frozen" | "thawed"): Promise<Frozen> {
  const value = wanted === "frozen" ? "1" : "0";
  using kept = new DisposableStack();
  let changes: FileChanges;
  try {
    // watched before it is read, so nothing is missed
    changes = kept.use(watchChanges(`${group}/cgroup.events`));
    writeFileSync(`${group}/cgroup.freeze`, value);
  } catch (error) {
    if (isMissing(error)) return "gone";
    throw error;
  }
  let isExpired = false;
  const expire = (): void => {
    isExpired = true;
    changes.notify();
  };
  const timer = setTimeout(expire, freezingMs);
  kept.defer(() => clearTimeout(timer));
  for (;;) {
    const state = readFrozen(group);
    if (state === null) return "gone";
    if (state === value) return "done";
    if (isExpired) break;
    await changes.next();
  }
  if (wanted === "frozen") await setFrozen(group, "thawed");
  return "busy";
}

function readFrozen(group: string): string | null {
  try {
    const text = readFileSync(`${group}/cgroup.events`, "latin1");
    return /^frozen (\d)$/m.exec(text)?.[1] ?? "0";
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

function isMissing(error: unknown): boolean {
  return ["ENOENT", "ENODEV"].includes((error as NodeJS.ErrnoException).code ?? "");
}
