/** What images take of the disk, and what of that nobody needs: the same numbers for df, for prune, and for its dry run. */
import { statSync } from "node:fs";
import { join } from "node:path";
import { containersOfImage } from "../store/image-writes.ts";
import type { ImageRecord } from "../store/images.ts";
import { listedImages } from "../store/manifest-lists.ts";
import type { ImageContext } from "./context.ts";
import { listImages } from "./find.ts";

type Store = Pick<ImageContext, "database" | "paths">;

/** Those that no container stands on, and that no manifest list has. */
export function unusedImages(context: Store): ImageRecord[] {
  const listed = listedImages(context.paths);
  return listImages(context).filter(
    ({ id }) => !listed.has(id) && containersOfImage(context.database, id).length === 0,
  );
}

/** All of it, and what would go with every image that is not used. */
export function imageUsage(context: Store): { totalBytes: number; reclaimableBytes: number } {
  const content = contentBytes(context);
  const reclaimableBytes = bytesOnlyOf(content, unusedImages(context));
  return { totalBytes: content.total, reclaimableBytes };
}

/** What no other image needs. */
export function bytesOnlyOf(
  { users, total }: ContentBytes,
  doomed: readonly ImageRecord[],
): number {
  const ids = new Set<string>(doomed.map(({ id }) => id));
  const kept = [...users.values()].filter(({ images }) => [...images].some((id) => !ids.has(id)));
  return total - kept.reduce((sum, { bytes }) => sum + bytes, 0);
}

interface Content {
  bytes: number;
  images: Set<string>;
}

export interface ContentBytes {
  /** By chain id or digest. */
  readonly users: ReadonlyMap<string, Content>;
  readonly total: number;
}

/** Layers by chain id, once for each mapping they are unpacked for, and blobs by digest: what each takes, and whose it is. */
export function contentBytes({ database, paths }: Store): ContentBytes {
  const users = new Map<string, Content>();
  const add = (key: string, image: string, sizeOf: () => number): void => {
    const known = users.get(key) ?? { bytes: sizeOf(), images: new Set() };
    known.images.add(image);
    users.set(key, known);
  };
  const blobBytes = (digest: string): number =>
    statSync(join(paths.blobs, digest.slice("sha256:".length)), { throwIfNoEntry: false })?.size ??
    0;
  const layers = database
    .query<{ image: string; chain: string; blob: string; bytes: number }, []>(
      `SELECT il.image_id AS image, il.chain_id AS chain, il.blob_digest AS blob, l.size_bytes *
         (1 + (SELECT count(*) FROM mapped_layer m
            WHERE m.chain_id = l.chain_id AND m.owners NOT LIKE '%-light')) AS bytes
       FROM image_layer il JOIN layer l ON l.chain_id = il.chain_id`,
    )
    .all();
  for (const { image, chain, blob, bytes } of layers) {
    add(`layer ${chain}`, image, () => bytes);
    add(blob, image, () => blobBytes(blob));
  }
  const texts = database
    .query<{ id: string; manifest: string }, []>(
      "SELECT id, manifest_digest AS manifest FROM image",
    )
    .all();
  for (const { id, manifest } of texts) {
    add(id, id, () => blobBytes(id));
    add(manifest, id, () => blobBytes(manifest));
  }
  return { users, total: [...users.values()].reduce((sum, { bytes }) => sum + bytes, 0) };
}
