/** Removes what nobody needs: containers that have ended, then volumes and images that no container has. */
import { listImages, removeImage } from "../image/index.ts";
import { TspodError } from "../errors.ts";
import { type FilterKey, labelFilter, parseFilters } from "../lib/filters.ts";
import { parseInstant } from "../lib/instant.ts";
import {
  listVolumes,
  pruneVolumes,
  type Unwanted,
  type Volume,
  volumeUsage,
} from "../volume/index.ts";
import type { ContainerContext } from "./context.ts";
import { listContainers } from "./find.ts";
import { pruneContainers } from "./prune.ts";

export interface SystemPruned {
  containers: string[];
  volumes: string[];
  /** "untagged: NAME" and "deleted: ID" are docker's lines. */
  untagged: string[];
  deleted: string[];
  reclaimedBytes: number;
}

export interface SystemPruneOptions {
  /** Also images that have a name. */
  all: boolean;
  /** Anonymous volumes too. */
  volumes: boolean;
  /** until=, label= */
  filters: readonly string[];
}

/** Throws usage. */
export async function pruneSystem(
  context: ContainerContext,
  { all, volumes, filters }: SystemPruneOptions,
): Promise<SystemPruned> {
  const matches = imageFilter(filters);
  const { ids, reclaimedBytes } = await pruneContainers(context, filters);
  const unused = volumes ? await pruneUnusedVolumes(context, filters) : [];
  const before = layerBytes(context);
  const images = await pruneImages(
    context,
    (image) => (all || image.names.length === 0) && matches(image),
  );
  const freed = Math.max(0, before - layerBytes(context));
  return {
    containers: ids,
    volumes: unused.map(({ name }) => name),
    ...images,
    reclaimedBytes: unused.reduce((sum, { sizeBytes }) => sum + sizeBytes, reclaimedBytes + freed),
  };
}

async function pruneUnusedVolumes(
  context: ContainerContext,
  filters: readonly string[],
): Promise<Unwanted[]> {
  const matches = volumeFilter(filters);
  const candidates = listVolumes(context).filter(
    (volume) => volume.useCount === 0 && volume.isAnonymous && matches(volume),
  );
  return pruneVolumes(context, candidates, ({ name }) => volumeUsage(context, name));
}

async function pruneImages(
  context: ContainerContext,
  isDoomed: (image: Image) => boolean,
): Promise<Pick<SystemPruned, "untagged" | "deleted">> {
  const used = new Set(listContainers(context).map(({ imageId }) => imageId));
  const untagged: string[] = [];
  const deleted: string[] = [];
  for (const image of listImages(context)) {
    if (used.has(image.id) || !isDoomed(image)) continue;
    const names = image.names.map(({ reference }) => reference);
    for (const name of names.length === 0 ? [image.id] : names) {
      try {
        const removed = await removeImage(context, name);
        untagged.push(...removed.untagged);
        if (removed.deleted !== undefined) deleted.push(removed.deleted);
      } catch (error) {
        // a container came to stand on it, or somebody was faster
        const isWelcome =
          error instanceof TspodError && /^image\.(in_use|not_found)$/.test(error.code);
        if (!isWelcome) throw error;
      }
    }
  }
  return { untagged, deleted };
}

type Image = ReturnType<typeof listImages>[number];

function imageFilter(filters: readonly string[]): (image: Image) => boolean {
  return parseFilters<Image>(filters, {
    until: until(),
    label: labelFilter<Image>(({ config }) => config.labels),
  });
}

function volumeFilter(filters: readonly string[]): (volume: Volume) => boolean {
  return parseFilters<Volume>(filters, {
    until: until(),
    label: labelFilter(({ labels }) => labels),
  });
}

function until<T extends { createdAt: string }>(): FilterKey<T> {
  return {
    parse: (value) => {
      const at = parseInstant(value, "filter until", Date.now());
      return ({ createdAt }) => !(Date.parse(createdAt) >= at);
    },
  };
}

function layerBytes({ database }: ContainerContext): number {
  const sql = "SELECT coalesce(sum(size_bytes), 0) AS bytes FROM layer";
  return database.query<{ bytes: number }, []>(sql).get()?.bytes ?? 0;
}
