/** Kernel parameters that a container may have of its own (sysctl(8), namespaces(7)). Pure. */
import { TspodError } from "../errors.ts";
import type { CreateOptions, NamespaceOptions, NetworkMode } from "./options.ts";
import { defaultNamespaces, formatNetworkMode, isJoined } from "./namespaces.ts";

const ofIpc = new Set(
  "kernel.msgmax kernel.msgmnb kernel.msgmni kernel.sem kernel.shmall kernel.shmmax kernel.shmmni kernel.shm_rmid_forced".split(
    " ",
  ),
);

type Owner = "network" | "ipc" | "uts" | "user";

/** The namespace it belongs to; null: it is the whole host's. */
export function sysctlOwner(name: string): Owner | null {
  const dotted = dottedName(name);
  if (ofIpc.has(dotted) || dotted.startsWith("fs.mqueue.")) return "ipc";
  if (dotted.startsWith("net.")) return "network";
  if (dotted === "kernel.domainname") return "uts";
  return dotted.startsWith("user.") ? "user" : null;
}

/** "net/ipv4/conf/eth0.7/forwarding" is "net.ipv4.conf.eth0/7.forwarding": the first separator says which. */
function dottedName(name: string): string {
  const swapped = (separator: string) => (separator === "/" ? "." : "/");
  return /^[^.]*\//.test(name) ? name.replaceAll(/[./]/g, swapped) : name;
}

/** Refuses what would be set for others. Throws usage. */
export function requireOwn(options: CreateOptions): void {
  const { ipc, uts, userns } = options.namespaces ?? defaultNamespaces;
  const flags: Record<Owner, string | null> = {
    network: networkFlag(options),
    ipc: sharedFlag("--ipc", ipc),
    uts: sharedFlag("--uts", uts),
    user: userns?.kind === "container" ? `--userns=container:${userns.container}` : null,
  };
  for (const name of Object.keys(options.setup?.sysctls ?? {})) {
    const owner = sysctlOwner(name);
    const flag = owner === null ? null : flags[owner];
    if (flag === null) continue;
    throw new TspodError("usage", `Cannot set "${name}" with ${flag}: it would change for others`, {
      next: "leave one of them away",
    });
  }
}

function networkFlag({ network }: CreateOptions): string | null {
  const isShared = network === "host" || isJoined(network) || hasPath(network);
  return isShared ? `--network=${formatNetworkMode(network)}` : null;
}

const hasPath = (network: NetworkMode): boolean => typeof network === "object" && "path" in network;

function sharedFlag(flag: string, mode: NamespaceOptions["ipc"]): string | null {
  if (isJoined(mode)) return `${flag}=container:${mode.container}`;
  return mode === "host" ? `${flag}=host` : null;
}
