/** Images that nobody needs: which they are, what they take of the disk alone, and their removal. */
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { TspodError } from "../errors.ts";
import type { Digest } from "../oci/index.ts";
import { transact } from "../store/database.ts";
import { recordEvent } from "../store/events.ts";
import { claimStrayBlobs, claimStrayLayers, type Orphans } from "../store/image-writes.ts";
import type { ImageRecord } from "../store/images.ts";
import type { ImageContext } from "./context.ts";
import { removeFiles, removeImage } from "./remove.ts";
import { namedImages, type NamedImage } from "./select.ts";
import { bytesOnlyOf, contentBytes, unusedImages } from "./usage.ts";

export interface PrunedImages {
  /** Canonical names that are gone. */
  untagged: string[];
  deleted: Digest[];
  /** What there is less on the disk: each layer and blob once, and only those that nothing else needs. */
  freedBytes: number;
}

export interface PruneOptions {
  /** Also images that have a name. */
  all: boolean;
  /** Of an image with several names, one that matches is enough. */
  matches(line: NamedImage): boolean;
  /** Only say what would go. */
  isDry: boolean;
}

/** One that a container came to stand on meanwhile stays. */
export async function pruneImages(
  context: ImageContext,
  { all, matches, isDry }: PruneOptions,
): Promise<PrunedImages> {
  const unused = unusedImages(context);
  const doomed = unused.filter(
    (image) => (all || image.names.length === 0) && namedImages(image).some(matches),
  );
  if (isDry) return foresee(context, doomed);
  const before = contentBytes(context);
  const pruned = await removeAll(context, doomed);
  const strays = await removeStrays(context);
  const after = contentBytes(context);
  const freedBytes = Math.max(0, before.total - after.total) + strays;
  const attributes = { reclaimed: String(freedBytes) };
  recordEvent(context, { type: "image", status: "prune", attributes });
  return { ...pruned, freedBytes };
}

async function removeAll(
  context: ImageContext,
  doomed: readonly ImageRecord[],
): Promise<Pick<PrunedImages, "untagged" | "deleted">> {
  const untagged: string[] = [];
  const deleted: Digest[] = [];
  for (const { id, names } of doomed) {
    const words = names.length === 0 ? [id] : names.map(({ reference }) => reference);
    for (const name of words) {
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

function foresee(context: ImageContext, doomed: readonly ImageRecord[]): PrunedImages {
  return {
    untagged: doomed.flatMap(({ names }) => names.map(({ reference }) => reference)),
    deleted: doomed.map(({ id }) => id),
    // without what a killed pull has left: it is of use to the next one, until something is removed in earnest
    freedBytes: bytesOnlyOf(contentBytes(context), doomed),
  };
}

/** What pulls that were given up have left: layers and blobs of no image. The bytes. */
async function removeStrays(context: ImageContext): Promise<number> {
  const { database, paths } = context;
  const layers = database
    .query<{ chain: string; bytes: number }, []>(
      `SELECT chain_id AS chain, size_bytes AS bytes FROM layer l
       WHERE NOT EXISTS (SELECT 1 FROM image_layer il WHERE il.chain_id = l.chain_id)`,
    )
    .all();
  const claimLayers = (): Orphans =>
    claimStrayLayers(
      database,
      layers.map(({ chain }) => chain),
    );
  const orphans = transact(database, claimLayers, { durable: true });
  const gone = new Set(orphans.layers);
  const layerBytes = layers
    .filter(({ chain }) => gone.has(chain))
    .reduce((sum, { bytes }) => sum + bytes, 0);
  removeFiles(context, orphans);
  const claimBlobs = (): Orphans => claimStrayBlobs(database, listBlobs(paths.blobs));
  const strays = transact(database, claimBlobs, { durable: false });
  const blobBytes = strays.blobs.reduce((sum, hex) => {
    const stat = statSync(join(paths.blobs, hex), { throwIfNoEntry: false });
    return sum + (stat?.size ?? 0);
  }, 0);
  removeFiles(context, strays);
  return layerBytes + blobBytes;
}

function listBlobs(directory: string): string[] {
  try {
    return readdirSync(directory).filter((name) => /^[0-9a-f]{64}$/.test(name));
  } catch {
    return []; // nothing was ever pulled
  }
}
