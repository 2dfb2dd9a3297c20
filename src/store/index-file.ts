/**
 * `index.json` beside `blobs/` and `oci-layout`: with it what we keep is an OCI image layout (image-layout.md) that other
 * tools can read at any moment. It follows the rows of images and says nothing that they do not; nothing of ours reads it.
 */
import type { Database } from "bun:sqlite";
import { dirname, join } from "node:path";
import { writeFileAtomic } from "../lib/atomic-file.ts";
import { mediaTypes } from "../oci/media-types.ts";
import { transact } from "./database.ts";
import { keepLease, type Resource } from "./leases.ts";

/** Whoever changes names holds it: one left by the dead says that the file may be behind. */
export const indexLease: Resource = "keep:index:names";

/**
 * Change rows of images, durably, and let the file follow. `work` runs in one transaction and awaits nothing. Killed
 * between the two, the lease is what recovery sees; it is on the disk as soon as the change is.
 */
export function changeNames<T>(database: Database, work: () => T): T {
  using _lease = keepLease(database, indexLease);
  const result = transact(database, work, { durable: true });
  writeIndexFile(database);
  return result;
}

/** Under the lock of the store, so that of two writers the last has seen the most. */
export function writeIndexFile(database: Database): void {
  const path = indexPath(database);
  if (path === null) return;
  const write = (): void => writeFileAtomic(path, formatIndexOf(database));
  transact(database, write, { durable: false });
}

/** What the file should hold. */
export function formatIndexOf(database: Database): string {
  return `${formatIndex(readRows(database))}\n`;
}

/** Null: all is in memory. */
export function indexPath({ filename }: Database): string | null {
  const isFile = filename !== "" && filename !== ":memory:";
  return isFile ? join(dirname(filename), "index.json") : null;
}

interface Row {
  reference: string | null;
  digest: string;
  size: number;
  mediaType: string | null;
  platform: string;
}

function readRows(database: Database): Row[] {
  return database
    .query<Row, []>(
      `SELECT n.reference, i.manifest_digest AS digest, length(CAST(i.manifest AS BLOB)) AS size,
         i.manifest ->> '$.mediaType' AS mediaType, i.platform
       FROM image i LEFT JOIN image_name n ON n.image_id = i.id ORDER BY n.reference, i.id`,
    )
    .all();
}

function formatIndex(rows: readonly Row[]): string {
  const manifests = rows.map(({ reference, digest, size, mediaType, platform }) => {
    const [os, architecture, variant] = platform.split("/");
    return {
      mediaType: mediaType ?? mediaTypes.manifest,
      ...{ digest, size },
      ...(architecture === undefined || architecture === ""
        ? {}
        : { platform: { architecture, os, ...(variant === undefined ? {} : { variant }) } }),
      ...(reference === null
        ? {}
        : { annotations: { "org.opencontainers.image.ref.name": reference } }),
    };
  });
  return JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests });
}
