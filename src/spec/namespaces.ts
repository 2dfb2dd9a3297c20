/** config.json's namespaces: new ones, those of another container, or (by absence) the host's. Pure. */
import type { Linux, NamespaceType } from "../oci/runtime-spec.ts";
import type { CreateOptions, Joined, NamespaceOptions } from "./options.ts";

export const defaultNamespaces: NamespaceOptions = {
  ...{ usernsText: "", userns: null },
  ...{ ipc: "shareable", pid: "private", uts: "private", cgroup: "private" },
};

export function isJoined(mode: NamespaceOptions["ipc" | "pid"]): mode is Joined {
  return typeof mode === "object";
}

/** The container whose namespaces these are; null: none. There is one at most. */
export function joinedContainer(options: NamespaceOptions): string | null {
  const { userns, ipc, pid, uts, cgroup } = options;
  const joined = [ipc, pid, uts, cgroup].find(isJoined);
  return joined?.container ?? (userns?.kind === "container" ? userns.container : null);
}

/** Its files in /proc; a process that is not there until the container is started has 0. */
export function namespacePath(pid: number, type: NamespaceType): string {
  const file = { user: "user", mount: "mnt", network: "net", time: "time" }[type as string] ?? type;
  return `/proc/${pid}/ns/${file}`;
}

/** `joinedPid`: a process of the container whose namespaces are joined. */
export function namespaceList(
  { namespaces = defaultNamespaces, network }: Pick<CreateOptions, "namespaces" | "network">,
  joinedPid: number,
): Linux["namespaces"] {
  const { ipc, pid, uts, cgroup } = namespaces;
  const of = (type: NamespaceType, mode: string | Joined): Linux["namespaces"] => {
    if (mode === "host") return [];
    return [typeof mode === "object" ? { type, path: namespacePath(joinedPid, type) } : { type }];
  };
  const container = joinedContainer(namespaces);
  return [
    ...of("user", container === null ? "private" : { container }),
    ...of("pid", pid),
    { type: "mount" },
    ...of("ipc", ipc),
    ...of("uts", uts),
    ...of("cgroup", cgroup),
    ...of("network", network),
  ];
}
