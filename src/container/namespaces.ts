/**
 * What --userns and its kind mean for one container on this host: whose namespaces, which ids, which trees. Loaded only
 * where somebody asked for something.
 */
import { TspodError } from "../errors.ts";
import { ensureMappedLayers, type StoredImage } from "../image/index.ts";
import type { RuntimeSpec } from "../oci/runtime-spec.ts";
import {
  type CreateOptions,
  isJoined,
  defaultNamespaces,
  joinedContainer,
  type JoinedContainer,
  networkFiles,
  type NetworkMode,
  type NamespaceOptions,
  type UsernsMode,
} from "../spec/index.ts";
import type { ContainerContext } from "./context.ts";
import { readContainerFile } from "./files.ts";
import { type Container, getContainer } from "./find.ts";
import { type ContainerIds, containerIds } from "./ids.ts";
import { namespacesOf } from "./asked.ts";
import { processOf } from "./joined.ts";
import { type Setting, usualSetting } from "./setting.ts";

/** `kept` holds what must stay until the container has its row. Throws usage, container.*, image.*, store.*. */
export async function settleNamespaces(
  context: ContainerContext,
  options: CreateOptions,
  image: StoredImage,
  kept: DisposableStack,
): Promise<Setting> {
  const usual = usualSetting(context, options, image);
  const { namespaces = defaultNamespaces } = options;
  const joined = joinedContainer(options);
  const target = joined === null ? null : getContainer(context, joined);
  const settled = await settleMode(context, namespaces, target, image, kept);
  const ids = idsOf(context, settled.userns, image);
  return {
    ...usual,
    options: { ...options, namespaces: settled, network: joiningNetwork(options.network, target) },
    ...(target === null ? {} : { joined: joinedProcess(context, target) }),
    ...(ids === null ? {} : await withIds(context, usual, ids, image, kept)),
  };
}

async function settleMode(
  context: ContainerContext,
  namespaces: NamespaceOptions,
  target: Container | null,
  image: StoredImage,
  kept: DisposableStack,
): Promise<NamespaceOptions> {
  if (target !== null) return joining(namespaces, target);
  const { userns } = namespaces;
  if (userns?.kind !== "auto") return namespaces;
  const { settleAuto } = await import("./auto-ids.ts");
  const { mode, lease } = settleAuto(context, userns, image);
  kept.use(lease);
  return { ...namespaces, userns: mode };
}

/** By id from now on; what the other has from the host is the host's for this one too. */
function joining(namespaces: NamespaceOptions, target: Container): NamespaceOptions {
  const theirs = namespacesOf(target);
  if (isJoined(namespaces.ipc) && (theirs.ipc === "private" || theirs.ipc === "none")) {
    throw new TspodError(
      "usage",
      `Container "${target.name}" does not share its memory: it was made with --ipc=${theirs.ipc}`,
      { next: `make it with --ipc=shareable, which is the default` },
    );
  }
  const resolve = <T extends NamespaceOptions["ipc"]>(mode: T, their: string | object): T =>
    (isJoined(mode) ? (their === "host" ? "host" : { container: target.id }) : mode) as T; // "host" is a mode of each
  return {
    ...namespaces,
    userns: { kind: "container", container: target.id },
    ipc: resolve(namespaces.ipc, theirs.ipc),
    pid: resolve(namespaces.pid, theirs.pid) as NamespaceOptions["pid"],
    uts: resolve(namespaces.uts, theirs.uts) as NamespaceOptions["uts"],
    cgroup: resolve(namespaces.cgroup, theirs.cgroup) as NamespaceOptions["cgroup"],
  };
}

/** By id; one that is the host's, or somebody else's, is so for this one too. */
function joiningNetwork(network: NetworkMode, target: Container | null): NetworkMode {
  if (!isJoined(network) || target === null) return network;
  const { network: theirs } = target.options as CreateOptions; // create recorded it
  const isOutside = theirs === "host" || (typeof theirs === "object" && "path" in theirs);
  return isOutside ? theirs : { container: target.id };
}

/** Null: the usual ones. Those of another container are what it was made with. */
export function idsOf(
  context: ContainerContext,
  mode: UsernsMode | null,
  image: StoredImage,
): ContainerIds | null {
  if (mode === null) return null;
  if (mode.kind !== "container") return containerIds(context, mode, image);
  return idsOf(context, namespacesOf(getContainer(context, mode.container)).userns, image);
}

function joinedProcess(context: ContainerContext, target: Container): JoinedContainer {
  const { hostname = "", mounts } = readContainerFile<RuntimeSpec>(
    context,
    target.id,
    "config.json",
  );
  // of one that shares a network in turn they are somebody else's
  const files = networkFiles.flatMap((name) => {
    const source = mounts.find(({ destination }) => destination === `/etc/${name}`)?.source;
    return source === undefined ? [] : [[name, source] as const];
  });
  return { pid: processOf(target), hostname, files: Object.fromEntries(files) };
}

async function withIds(
  context: ContainerContext,
  usual: Setting,
  { mapping, owners, root, user, files }: ContainerIds,
  image: StoredImage,
  kept: DisposableStack,
): Promise<Partial<Setting>> {
  const what = usual.options.image;
  return {
    host: { ...usual.host, mapping },
    files,
    ...(user === undefined ? {} : { user }),
    ...(root === undefined ? {} : { root }),
    ...(owners === undefined || usual.options.rootfs !== undefined
      ? {}
      : await ensureMappedLayers(context, image, {
          owners,
          what,
          kept,
          isLight: isLight(context),
        })),
  };
}

/** Only the kernel's own overlay looks for content elsewhere. */
function isLight(context: ContainerContext): boolean {
  return context.rootfs === "overlay" && context.hasDataLayers;
}
