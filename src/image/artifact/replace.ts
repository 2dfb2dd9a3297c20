/** Blobs of an artifact that has changed: away with those that nothing names any more. */
import type { Database } from "bun:sqlite";
import { type ArtifactRecord, putArtifactRecord } from "../../store/artifacts.ts";
import { claimStrayBlobs, type Orphans } from "../../store/image-writes.ts";
import type { Digest } from "../../oci/index.ts";

/** What the one of that name needed, and nothing does any more: for removeFiles(). Call it inside a transaction. */
export function replaceArtifact(
  database: Database,
  record: ArtifactRecord,
  blobs: readonly Digest[],
): Orphans {
  const before = putArtifactRecord(database, record, blobs);
  return claimStrayBlobs(database, before, { isRemoval: true });
}
