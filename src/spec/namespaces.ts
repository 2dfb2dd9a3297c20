/** config.json's namespaces: new ones, those of another container, or (by absence) the host's. Pure. */
import type { Linux, NamespaceType } from "../oci/runtime-spec.ts";
import type {
  CreateOptions,
  Joined,
  NamespaceOptions,
  NetworkMode,
  NetworkUse,
} from "./options.ts";

export const defaultNamespaces: NamespaceOptions = {
  ...{ usernsText: "", userns: null },
  ...{ ipc: "shareable", pid: "private", uts: "private", cgroup: "private" },
};

export function isJoined(mode: string | object): mode is Joined {
  return typeof mode === "object" && "container" in mode;
}

/** The container whose namespaces these are; null: none. There is one at most. */
export function joinedContainer({ namespaces, network }: NamespacesAsked): string | null {
  if (isJoined(network)) return network.container;
  if (namespaces === undefined) return null;
  const { userns, ipc, pid, uts, cgroup } = namespaces;
  const joined = [ipc, pid, uts, cgroup].find(isJoined);
  return joined?.container ?? (userns?.kind === "container" ? userns.container : null);
}

export type NamespacesAsked = Pick<CreateOptions, "namespaces" | "network">;

/** The networks it is on that somebody has created; null: it is none of their kind. */
export function networkUses(network: NetworkMode): NetworkUse[] | null {
  return typeof network === "object" && "networks" in network ? network.networks : null;
}

/** Whether the way out is a network that nobody else is on. */
export function isPrivate(network: NetworkMode): boolean {
  const isToo =
    typeof network === "object" && "networks" in network && network.isPrivateToo === true;
  return network === "private" || isToo;
}

/** As --network says it. */
export function formatNetworkMode(network: NetworkMode): string {
  if (isPrivate(network)) return "private";
  if (typeof network === "string") return network;
  if ("container" in network) return `container:${network.container}`;
  if ("path" in network) return `ns:${network.path}`;
  if ("networks" in network) return network.networks.map(({ name }) => name).join(",");
  return network.options.length === 0
    ? network.tool
    : `${network.tool}:${network.options.join(",")}`;
}

/** Its files in /proc; a process that is not there until the container is started has 0. */
export function namespacePath(pid: number, type: NamespaceType): string {
  const file = { user: "user", mount: "mnt", network: "net", time: "time" }[type as string] ?? type;
  return `/proc/${pid}/ns/${file}`;
}

/** `joinedPid`: a process of the container whose namespaces are joined. */
export function namespaceList(asked: NamespacesAsked, joinedPid: number): Linux["namespaces"] {
  const { namespaces = defaultNamespaces, network } = asked;
  const { ipc, pid, uts, cgroup } = namespaces;
  const of = (type: NamespaceType, mode: string | object): Linux["namespaces"] => {
    if (mode === "host") return [];
    return [isJoined(mode) ? { type, path: namespacePath(joinedPid, type) } : { type }];
  };
  const container = joinedContainer(asked);
  const hasPath = typeof network === "object" && "path" in network;
  return [
    ...of("user", container === null ? "private" : { container }),
    ...of("pid", pid),
    { type: "mount" },
    ...of("ipc", ipc),
    ...of("uts", uts),
    ...of("cgroup", cgroup),
    ...(hasPath ? [{ type: "network" as const, path: network.path }] : of("network", network)),
  ];
}
