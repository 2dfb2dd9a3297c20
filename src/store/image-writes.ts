/** The rows of images, changed: a pulled image is recorded, names come and go, and with the last one the image. */
import type { Database } from "bun:sqlite";
import type { Digest, ImageConfig } from "../oci/index.ts";
import { formatPlatform } from "../oci/index.ts";
import { changeNames } from "./index-file.ts";
import { hasLivingOwner, type Lease, leaveStray, tryLeaseInside } from "./leases.ts";

export interface NewImage {
  readonly id: Digest;
  readonly manifestDigest: Digest;
  readonly manifest: string;
  readonly configText: string;
  readonly config: ImageConfig;
  /** Base first; their rows exist. */
  readonly layers: readonly { chainId: string; blobDigest: Digest }[];
  /** Canonical name and what the registry calls it; none for an image without a name. */
  readonly name: { reference: string; digest: Digest | "" } | undefined;
  readonly pulledAt: string;
}

/**
 * One durable transaction. An image that is here already keeps its time of pull; a name moves to the new one. When it had
 * the same files under other digests, those blobs are left to recovery.
 */
export function insertImage(database: Database, image: NewImage): void {
  changeNames(database, () => insertRows(database, image));
}

function insertRows(database: Database, image: NewImage): void {
  const before = blobsOfImage(database, image.id);
  database
    .query(
      `INSERT INTO image (id, manifest_digest, manifest, config, platform, size_bytes, created_at, pulled_at)
       VALUES (?, ?, ?, ?, ?, 0, ?, ?)
       ON CONFLICT (id) DO UPDATE SET manifest_digest = excluded.manifest_digest, manifest = excluded.manifest`,
    )
    .run(
      image.id,
      image.manifestDigest,
      image.manifest,
      image.configText,
      formatPlatform(image.config.platform),
      image.config.created,
      image.pulledAt,
    );
  const layer = database.query(
    "INSERT OR REPLACE INTO image_layer (image_id, position, chain_id, blob_digest) VALUES (?, ?, ?, ?)",
  );
  image.layers.forEach(({ chainId, blobDigest }, i) => layer.run(image.id, i, chainId, blobDigest));
  database
    .query(
      `UPDATE image SET size_bytes = (SELECT coalesce(sum(l.size_bytes), 0)
         FROM image_layer il JOIN layer l ON l.chain_id = il.chain_id WHERE il.image_id = image.id)
       WHERE id = ?`,
    )
    .run(image.id);
  if (image.name !== undefined) insertName(database, image.id, image.name);
  for (const digest of before) {
    if (!isBlobUsed(database, digest)) leaveStray(database, "blob", digest.slice("sha256:".length));
  }
}

/** Digests of its manifest and its layers; none when it is not here. */
function blobsOfImage(database: Database, id: Digest): string[] {
  return database
    .query<{ digest: string }, [string]>(
      `SELECT manifest_digest AS digest FROM image WHERE id = ?1
       UNION SELECT blob_digest FROM image_layer WHERE image_id = ?1`,
    )
    .all(id)
    .map(({ digest }) => digest);
}

/** Give a stored image one more name, or move that name to it. Durable. */
export function nameImage(
  database: Database,
  id: Digest,
  name: { reference: string; digest: Digest | "" },
): void {
  changeNames(database, () => insertName(database, id, name));
}

/** The same inside a transaction of the caller's. */
export function insertName(
  database: Database,
  id: Digest,
  { reference, digest }: { reference: string; digest: Digest | "" },
): void {
  database
    .query("INSERT OR REPLACE INTO image_name (reference, image_id, digest) VALUES (?, ?, ?)")
    .run(reference, id, digest === "" ? null : digest);
}

/** Take one canonical name away. Call it inside a transaction. */
export function deleteName(database: Database, reference: string): void {
  database.query("DELETE FROM image_name WHERE reference = ?").run(reference);
}

/** Containers made from it, running or not, the oldest first. */
export function containersOfImage(database: Database, id: Digest): { name: string }[] {
  const sql = `SELECT name FROM container WHERE image_id = ?1 OR (options LIKE '%"imageId"%' AND EXISTS
    (SELECT 1 FROM json_each(options, '$.mounts') WHERE value ->> 'imageId' = ?1)) ORDER BY created_at`;
  return database.query<{ name: string }, [string]>(sql).all(id);
}

/** How many of them each image has that has any, by its id: the same for all images at once. */
export function containerCounts(database: Database): Map<string, number> {
  const sql = `SELECT image, count(*) AS count FROM
    (SELECT id, image_id AS image FROM container
     UNION SELECT c.id, m.value ->> 'imageId' FROM container c, json_each(c.options, '$.mounts') m
     WHERE c.options LIKE '%"imageId"%') GROUP BY image HAVING image IS NOT NULL`;
  const rows = database.query<{ image: string; count: number }, []>(sql).all();
  return new Map(rows.map(({ image, count }) => [image, count]));
}

/**
 * Blobs that came into the store for an image that was never recorded: those of `digests` (hex) that no row names and no
 * living process makes or keeps, leased to us. `isRemoval`: those go when that process has ended. Call it inside a
 * transaction.
 */
export function claimStrayBlobs(
  database: Database,
  hexes: Iterable<string>,
  { isRemoval = false } = {},
): Orphans {
  const leases: Lease[] = [];
  const take = isRemoval ? claimNowOrLater : claim;
  const blobs = [...hexes]
    .filter((hex) => !isBlobUsed(database, `sha256:${hex}`))
    .filter((hex) => take(database, leases, "blob", hex));
  return { layers: [], blobs, [Symbol.dispose]: () => release(leases) };
}

/** The same for layers: rows and directories. */
export function claimStrayLayers(database: Database, chainIds: Iterable<string>): Orphans {
  const leases: Lease[] = [];
  const layers = [...chainIds]
    .filter((chain) => !isLayerUsed(database, chain))
    .filter((chain) => claim(database, leases, "layer", chain));
  for (const chain of layers) database.query("DELETE FROM layer WHERE chain_id = ?").run(chain);
  return { layers, blobs: [], [Symbol.dispose]: () => release(leases) };
}

const release = (leases: readonly Lease[]): void =>
  leases.forEach((lease) => lease[Symbol.dispose]());

/** The same of what is removed: when somebody makes it or relies on it, it goes when they have ended. */
function claimNowOrLater(...claimed: Parameters<typeof claim>): boolean {
  const [database, , kind, name] = claimed;
  const isOurs = claim(...claimed);
  if (!isOurs) leaveStray(database, kind, name);
  return isOurs;
}

/** Ours from now on, unless somebody makes it or relies on it. */
function claim(database: Database, leases: Lease[], kind: "layer" | "blob", name: string): boolean {
  if (hasLivingOwner(database, `keep:${kind}:${name}`)) return false;
  const lease = tryLeaseInside(database, `make:${kind}:${name}`);
  if (lease !== undefined) leases.push(lease);
  return lease !== undefined;
}

/** What nothing needs any more, leased to us: whoever wants it again waits until its files are gone. */
export interface Orphans extends Disposable {
  readonly layers: readonly string[];
  readonly blobs: readonly string[];
}

/** Delete the image's row, and the rows of layers no other image has. Call it inside a transaction. */
export function deleteImageRows(database: Database, id: Digest): Orphans {
  const row = database
    .query<{ manifest_digest: string }, [string]>("SELECT manifest_digest FROM image WHERE id = ?")
    .get(id);
  const layers = database
    .query<{ chain_id: string; blob_digest: string }, [string]>(
      "SELECT chain_id, blob_digest FROM image_layer WHERE image_id = ?",
    )
    .all(id);
  database.query("DELETE FROM image_name WHERE image_id = ?").run(id);
  database.query("DELETE FROM image WHERE id = ?").run(id);
  const leases: Lease[] = [];
  const chains = [...new Set(layers.map(({ chain_id: chain }) => chain))]
    .filter((chain) => !isLayerUsed(database, chain))
    .filter((chain) => claimNowOrLater(database, leases, "layer", chain));
  for (const chain of chains) database.query("DELETE FROM layer WHERE chain_id = ?").run(chain);
  const digests = [id, row?.manifest_digest ?? "", ...layers.map((layer) => layer.blob_digest)];
  const blobs = [...new Set(digests)]
    .filter((digest) => digest !== "" && !isBlobUsed(database, digest))
    .map((digest) => digest.slice("sha256:".length))
    .filter((hex) => claimNowOrLater(database, leases, "blob", hex));
  return { layers: chains, blobs, [Symbol.dispose]: () => release(leases) };
}

export function isLayerUsed(database: Database, chainId: string): boolean {
  return database.query("SELECT 1 FROM image_layer WHERE chain_id = ?").get(chainId) !== null;
}

/** Whether a row of an image or an artifact names it. */
export function isBlobUsed(database: Database, digest: string): boolean {
  const row = database
    .query(
      `SELECT 1 WHERE EXISTS (SELECT 1 FROM image WHERE id = ?1 OR manifest_digest = ?1)
         OR EXISTS (SELECT 1 FROM image_layer WHERE blob_digest = ?1)
         OR EXISTS (SELECT 1 FROM artifact_blob WHERE digest = ?1)`,
    )
    .get(digest);
  return row !== null;
}

/** What a registry now calls an image that has this name here. */
export function recordPushedDigest(
  database: Database,
  { id, reference, digest }: { id: Digest; reference: string; digest: Digest },
): void {
  database
    .query("UPDATE image_name SET digest = ?3 WHERE reference = ?2 AND image_id = ?1")
    .run(id, reference, digest);
}
