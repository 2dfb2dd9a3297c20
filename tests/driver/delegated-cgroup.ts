/**
 * A part of cgroup v2 for the ordinary user, as systemd gives one to whoever logs in: its own group, delegated, with a
 * leaf for the user's processes. Where systemd runs it is asked by tspod itself, and nothing is done here.
 */
import { chownSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { delegatedGroup } from "../support/delegated-cgroup.ts";

/** What cgroups(7), "Delegation containment", has the delegater hand over. */
const delegatedFiles = ["cgroup.procs", "cgroup.threads", "cgroup.subtree_control"];

/** The leaf, for processes; null where this host has no cgroup v2, or a systemd. */
export function delegateCgroup(user: { name: string; uid: number; gid: number }): string | null {
  const top = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].find((path) =>
    existsSync(join(path, "cgroup.controllers")),
  );
  if (top === undefined || existsSync("/run/systemd/system")) return null;
  try {
    const group = join(top, user.name);
    const leaf = join(group, "session");
    enableControllers(top);
    mkdirSync(group, { recursive: true });
    enableControllers(group);
    mkdirSync(leaf, { recursive: true });
    for (const path of [group, leaf]) {
      for (const file of ["", ...delegatedFiles]) chownSync(join(path, file), user.uid, user.gid);
    }
    return leaf;
  } catch {
    return null; // root without the right to: what needs it is skipped with that reason
  }
}

/** Each by itself: one that is in use elsewhere must not keep the others away. */
function enableControllers(group: string): void {
  const names = readFileSync(join(group, "cgroup.controllers"), "utf8").trim().split(" ");
  for (const name of names.filter(Boolean)) {
    try {
      writeFileSync(join(group, "cgroup.subtree_control"), `+${name}`);
    } catch {
      continue; // the tests that want it say so
    }
  }
}

/**
 * The same within what was delegated to us: a group for one of several that run side by side and give their cgroups the
 * same names. Null: nothing is delegated here, or by a systemd.
 */
export function delegateFurther(name: string): string | null {
  const above = delegatedGroup();
  if (above === undefined || existsSync("/run/systemd/system")) return null;
  const leaf = join(above, name, "session");
  mkdirSync(leaf, { recursive: true });
  enableControllers(join(above, name));
  return leaf;
}

/** Words before a command that start it in that group. */
export function inCgroup(leaf: string | null): string[] {
  if (leaf === null) return [];
  return ["sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', leaf];
}
