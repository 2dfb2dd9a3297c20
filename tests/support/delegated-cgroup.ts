/** Where these tests may make cgroups, if anywhere. */
import { accessSync, constants, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Requirement } from "./requirements.ts";

/** The cgroup above ours, when it is ours to make others in. */
export function delegatedGroup(): string | undefined {
  const own = /^0::(.*)$/m.exec(readFileSync("/proc/self/cgroup", "utf8"))?.[1] ?? "/";
  const line = /^\S+ \S+ \S+ \/ (\S+) .* - cgroup2 /m;
  const mounted = line.exec(readFileSync("/proc/self/mountinfo", "utf8"))?.[1];
  if (own === "/" || mounted === undefined) return undefined;
  const parent = join(mounted, dirname(own));
  const isOurs = [parent, join(parent, "cgroup.procs")].every(isWritable);
  return isOurs && dirname(own) !== "/" ? parent : undefined;
}

export const cgroupDelegation: Requirement = () =>
  delegatedGroup() === undefined ? "no delegated cgroup v2" : undefined;

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false; // somebody else's, or not there
  }
}
