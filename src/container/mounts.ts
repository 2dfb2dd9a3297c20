/**
 * The mounts of a container that is being made: those of the command line, of other containers and of the image, with
 * their volumes claimed and filled. Loaded only where there are any.
 */
import { TspodError } from "../errors.ts";
import { ensureImage, type StoredImage } from "../image/index.ts";
import type { CreateOptions, NamedVolumeMount, VolumeMount } from "../spec/index.ts";
import { transact } from "../store/database.ts";
import { keepLease } from "../store/leases.ts";
import { hasLayer, layerTree } from "../store/layers.ts";
import { type Claimed, claimVolumes, parseDriverOptions, seedIfEmpty } from "../volume/index.ts";
import type { ContainerContext } from "./context.ts";
import { imageVolumeMounts, mountsFrom } from "./inherited-mounts.ts";
import type { Setting } from "./setting.ts";

export interface SettledMounts {
  mounts: VolumeMount[];
  claimed: Claimed;
}

/** `kept` holds what must stay until the container has its row. Throws usage, container.*, image.*, volume.*, store.*. */
export async function settleMounts(
  context: ContainerContext,
  { options }: Setting,
  image: StoredImage,
  kept: AsyncDisposableStack,
): Promise<SettledMounts> {
  const asked = withInherited(context, options, image);
  if (asked.some(({ kind }) => kind === "overlay" || kind === "image")) requireOverlay(context);
  const claimed = claimVolumes(
    context,
    asked.filter(isVolume).map(({ source, labels = {}, driverOptions = {} }) => ({
      name: source === "" ? null : source,
      labels,
      options: driverOptions,
    })),
  );
  kept.use(claimed);
  const records = claimed.volumes[Symbol.iterator]();
  const mounts: VolumeMount[] = [];
  for (const mount of asked) {
    if (mount.kind === "image") mounts.push(await withLayers(context, mount, kept));
    else if (mount.kind !== "volume") mounts.push(mount);
    else mounts.push(withVolume(mount, records.next().value));
  }
  return { mounts, claimed };
}

const isVolume = (mount: VolumeMount): mount is NamedVolumeMount => mount.kind === "volume";

/** The command line goes before other containers, and those before the image. */
function withInherited(
  context: ContainerContext,
  options: CreateOptions,
  image: StoredImage,
): VolumeMount[] {
  const mounts = new Map(options.mounts.map((mount) => [mount.destination, mount]));
  const inherited = [
    ...(options.volumesFrom ?? []).flatMap((text) => mountsFrom(context, text)),
    ...imageVolumeMounts(image.config.volumes, options.imageVolume ?? "anonymous"),
  ];
  for (const mount of inherited) {
    if (!mounts.has(mount.destination)) mounts.set(mount.destination, mount);
  }
  return [...mounts.values()];
}

function requireOverlay({ rootfs }: ContainerContext): void {
  if (rootfs === "overlay") return;
  throw new TspodError("usage", "Mounts of type image and with O need the kernel's overlayfs", {
    next: "this host refuses it to users: tspod info says why; mount the directory itself instead",
  });
}

function withVolume(
  mount: NamedVolumeMount,
  record: Claimed["volumes"][number] | undefined,
): NamedVolumeMount {
  if (record === undefined) throw new Error("a volume was claimed for each mount");
  const kind = parseDriverOptions(record.options);
  const named = { ...mount, source: record.name };
  if (kind.kind === "directory") return named;
  const options = [...kind.options, ...mount.options];
  if (kind.kind === "bind") return { ...named, device: kind.device, options };
  if (mount.subpath !== undefined) {
    throw new TspodError("usage", `Volume "${record.name}" is in memory: it has no subpath yet`, {
      next: "leave volume-subpath away",
    });
  }
  return { ...named, memory: kind.options };
}

/** Their layers stay until the container has its row: from then on it is in its options what they are. */
async function withLayers(
  context: ContainerContext,
  mount: Extract<VolumeMount, { kind: "image" }>,
  kept: AsyncDisposableStack,
): Promise<VolumeMount> {
  const image = await ensureImage(context, mount.source);
  const { database, paths } = context;
  const keep = (): void => {
    for (const chain of image.layers) {
      if (!hasLayer(database, chain)) throw removedMeanwhile(mount.source);
      kept.use(keepLease(database, `keep:layer:${chain}`));
    }
  };
  transact(database, keep, { durable: false });
  return {
    ...mount,
    imageId: image.id,
    layers: image.layers.map((chain) => layerTree(paths, chain)),
  };
}

function removedMeanwhile(name: string): TspodError {
  return new TspodError("image.not_found", `Image "${name}" has just been removed`, {
    next: `tspod pull ${name}`,
  });
}

/** After new directories have their owners, before anything starts. */
export async function fillVolumes(
  context: ContainerContext,
  { mounts }: SettledMounts,
  { layers, data, options }: Setting,
): Promise<void> {
  const shown = options.rootfs === undefined ? layers : [options.rootfs.directory];
  for (const mount of mounts) {
    if (mount.kind !== "volume" || mount.memory !== undefined || mount.device !== undefined)
      continue;
    const isSeeded = mount.isNotSeeded !== true && mount.subpath === undefined;
    await seedIfEmpty(context, {
      name: mount.source,
      destination: mount.destination,
      layers: isSeeded ? shown : [],
      data: data ?? [],
      isDurable: !(options.autoRemove && mount.isAnonymous === true),
    });
  }
}
