/** --userns and the id maps, --pid, --ipc, --uts, --cgroupns: the flags. Their values are read only when given. */
import type { NamespaceOptions } from "../../spec/index.ts";
import { type FlagValues, list, value } from "../flags.ts";

const own = ["private", "host"] as const;

export const namespaceFlags = {
  userns: value(
    "--userns",
    "MODE",
    "Who is who inside: host (you are root), keep-id, nomap, auto, container:NAME",
    ["host", "keep-id", "nomap", "auto"],
  ),
  uidmap: list("--uidmap", "INSIDE:YOURS:COUNT", "Map user ids; yours count from 0, which is you"),
  gidmap: list("--gidmap", "INSIDE:YOURS:COUNT", "Map group ids; as --uidmap when not given"),
  subuidname: value("--subuidname", "NAME", "Map the user ids that /etc/subuid has under a name"),
  subgidname: value("--subgidname", "NAME", "Map the group ids that /etc/subgid has under a name"),
  pid: value("--pid", "MODE", "Processes: private, host, or container:NAME", own),
  ipc: value("--ipc", "MODE", "Shared memory: shareable, private, none, host, container:NAME", [
    ...["shareable", "none"],
    ...own,
  ]),
  uts: value("--uts", "MODE", "Host name: private, host, or container:NAME", own),
  cgroupns: value("--cgroupns", "MODE", "Control groups: private, host, or container:NAME", own),
} as const;

export type NamespaceFlags = FlagValues<typeof namespaceFlags>;

/** Empty when nothing was asked for. Throws usage. */
export async function namespaceOptions(
  flags: NamespaceFlags,
): Promise<{ namespaces?: NamespaceOptions }> {
  const { userns, uidmap, gidmap, subuidname, subgidname, pid, ipc, uts, cgroupns } = flags;
  const asked = [userns, subuidname, subgidname, pid, ipc, uts, cgroupns, ...uidmap, ...gidmap];
  if (asked.every((flag) => flag === null)) return {};
  const { parseNamespaces } = await import("./namespace-values.ts");
  return { namespaces: parseNamespaces(flags) };
}
