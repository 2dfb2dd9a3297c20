/** Removes what nobody needs: containers that have ended, then networks, volumes and images that no container has. */
import { type ImageRecord, loadPrune } from "../image/index.ts";
import { networkPruneFilter, pruneNetworks } from "../network/records.ts";
import { listNetworkRecords } from "../store/networks.ts";
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
import { pruneContainers } from "./prune.ts";

export interface SystemPruned {
  containers: string[];
  networks: string[];
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
  const isOld = networkPruneFilter(filters);
  const networks = pruneNetworks(context, listNetworkRecords(context.database).filter(isOld));
  const unused = volumes ? await pruneUnusedVolumes(context, filters) : [];
  const { pruneImages } = await loadPrune();
  const { untagged, deleted, freedBytes } = await pruneImages(context, {
    ...{ all, isDry: false },
    matches: ({ image }) => matches(image),
  });
  return {
    containers: ids,
    networks: networks.map(({ name }) => name),
    volumes: unused.map(({ name }) => name),
    ...{ untagged, deleted },
    reclaimedBytes: unused.reduce(
      (sum, { sizeBytes }) => sum + sizeBytes,
      reclaimedBytes + freedBytes,
    ),
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

function imageFilter(filters: readonly string[]): (image: ImageRecord) => boolean {
  return parseFilters<ImageRecord>(filters, {
    until: until(),
    label: labelFilter<ImageRecord>(({ config }) => config.labels),
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
