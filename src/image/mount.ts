/**
 * Images as directories of the host, for reading: `tspod image mount`. Their layers are kept by a lease in the name of the
 * session's first process (mount-session.ts).
 */
import { mkdirSync } from "node:fs";
import { TspodError } from "../errors.ts";
import { mountLayers, unmountLayers } from "../helper/index.ts";
import type { Digest } from "../oci/index.ts";
import { transact } from "../store/database.ts";
import { listImageRecords, type StoredImage } from "../store/images.ts";
import { layerTree } from "../store/layers.ts";
import { claimStrayLayers, type Orphans } from "../store/image-writes.ts";
import { dropLeasesOf, keepLeaseFor, leasesOf, type Resource } from "../store/leases.ts";
import type { ImageContext } from "./context.ts";
import {
  listMountPoints,
  mountPoint,
  removeDeadSessions,
  removeEmpty,
  requireRight,
  sessionIdentity,
} from "./mount-session.ts";
import { removeFiles } from "./remove.ts";

export interface MountedImage {
  readonly id: Digest;
  readonly path: string;
}

/** Idempotent: the path. Throws usage where nothing may be mounted, image.not_found, host.*. */
export async function mountImage(context: ImageContext, image: StoredImage): Promise<string> {
  requireRight("mount", "image", hexOf(image.id).slice(0, 12));
  const { database, paths, helper: command, signal } = context;
  const { id } = image;
  const mounted = listMounted(context).find((one) => one.id === id);
  if (mounted !== undefined) return mounted.path;
  const session = sessionIdentity();
  const keep = (): readonly string[] | undefined => {
    const [record] = listImageRecords(database, id);
    for (const resource of resourcesOf(id, record?.layers ?? []))
      keepLeaseFor(database, session, resource);
    return record?.layers;
  };
  if (transact(database, keep, { durable: false }) === undefined) {
    throw new TspodError("image.not_found", `Cannot mount "${id}": it was just removed`);
  }
  removeDeadSessions(paths.data);
  const path = mountPoint(paths.data, session, hexOf(id));
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const trees = image.layers.map((chain) => layerTree(paths, chain));
  try {
    if (trees.length > 0) await mountLayers({ command, signal }, path, trees);
    return path;
  } catch (error) {
    // what was to tell that it is mounted may have been killed
    const isMounted = listMounted(context).some((one) => one.path === path);
    if (isMounted) await unmountLayers({ command, signal }, path);
    removeEmpty(path);
    await letGo(context, session, id);
    throw error;
  }
}

/** False: it is not mounted. What nothing else needs of it, because the image is gone, goes. */
export async function unmountImage(context: ImageContext, id: Digest): Promise<boolean> {
  requireRight("unmount", "image", hexOf(id).slice(0, 12));
  const { helper: command, signal } = context;
  const mounted = listMounted(context).filter((one) => one.id === id);
  for (const { path } of mounted) {
    await unmountLayers({ command, signal }, path);
    removeEmpty(path);
  }
  if (mounted.length > 0) await letGo(context, sessionIdentity(), id);
  return mounted.length > 0;
}

async function letGo(context: ImageContext, session: string, id: Digest): Promise<void> {
  const { database } = context;
  const work = (): Orphans => {
    const chains = leasesOf(database, session, `keep:mount:${hexOf(id)}:`);
    dropLeasesOf(database, session, resourcesOf(id, chains));
    return claimStrayLayers(database, chains);
  };
  removeFiles(context, transact(database, work, { durable: false }));
}

const hexOf = (id: Digest): string => id.replace(/^sha256:/, "");

function resourcesOf(id: Digest, layers: readonly string[]): Resource[] {
  return layers.flatMap((chain): Resource[] => [
    `keep:layer:${chain}`,
    `keep:mount:${hexOf(id)}:${chain}`,
  ]);
}

/** Those of the caller's mount namespace: its mounts are the only record. */
export function listMounted({ paths }: Pick<ImageContext, "paths">): MountedImage[] {
  return listMountPoints(paths.data).flatMap((path) => {
    const hex = /\/([0-9a-f]{64})$/.exec(path)?.[1];
    return hex === undefined ? [] : [{ id: `sha256:${hex}` as Digest, path }]; // 64 hex characters
  });
}
