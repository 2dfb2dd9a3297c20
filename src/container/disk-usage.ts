/** What the store takes of the disk, and what of that nobody needs: docker's four rows. */
import { listImages, loadImageUsage } from "../image/index.ts";
import { listVolumes, volumeUsage } from "../volume/index.ts";
import type { ContainerContext } from "./context.ts";
import { type Container, listContainers } from "./find.ts";
import { containerSize } from "./sizes.ts";

export interface ImageUsage {
  id: string;
  names: readonly string[];
  createdAt: string;
  sizeBytes: number;
  /** Of layers that other images have too. */
  sharedBytes: number;
  containers: number;
}

export interface ContainerUsage {
  container: Container;
  writableBytes: number;
}

export interface VolumeUsage {
  name: string;
  links: number;
  sizeBytes: number;
}

export interface DiskUsage {
  images: ImageUsage[];
  /** Layers and blobs once each, whoever shares them. */
  imageBytes: number;
  /** What `image prune --all` would free. */
  reclaimableImageBytes: number;
  containers: ContainerUsage[];
  volumes: VolumeUsage[];
}

/** Every file of containers and volumes is looked at: this takes as long as that. */
export async function diskUsage(
  context: Pick<ContainerContext, "paths" | "database" | "helper" | "mapping">,
): Promise<DiskUsage> {
  const { imageUsage } = await loadImageUsage();
  const { totalBytes, reclaimableBytes } = imageUsage(context);
  const containers = listContainers(context).map((container) => ({
    container,
    writableBytes: containerSize(context, container).writableBytes,
  }));
  const layers = readLayers(context);
  const users = Map.groupBy(containers, ({ container }) => container.imageId);
  const all = [...layers.values()];
  const sum = (chosen: Layer[]): number => chosen.reduce((bytes, each) => bytes + each.bytes, 0);
  return {
    images: listImages(context).map(({ id, names, createdAt, sizeBytes }) => ({
      ...{ id, createdAt, sizeBytes },
      names: names.map(({ reference }) => reference),
      sharedBytes: sum(all.filter(({ images }) => images.has(id) && images.size > 1)),
      containers: users.get(id)?.length ?? 0,
    })),
    imageBytes: totalBytes,
    reclaimableImageBytes: reclaimableBytes,
    containers,
    volumes: listVolumes(context).map(({ name, useCount }) => ({
      ...{ name, links: useCount },
      sizeBytes: volumeUsage(context, name),
    })),
  };
}

interface Layer {
  bytes: number;
  images: Set<string>;
}

function readLayers({ database }: Pick<ContainerContext, "database">): Map<string, Layer> {
  const rows = database
    .query<{ chain: string; bytes: number; image: string }, []>(
      `SELECT l.chain_id AS chain, l.size_bytes AS bytes, il.image_id AS image
       FROM layer l JOIN image_layer il ON il.chain_id = l.chain_id`,
    )
    .all();
  const layers = new Map<string, Layer>();
  for (const { chain, bytes, image } of rows) {
    const layer = layers.get(chain) ?? { bytes, images: new Set() };
    layer.images.add(image);
    layers.set(chain, layer);
  }
  return layers;
}
