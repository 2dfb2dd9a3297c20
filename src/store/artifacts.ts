/** Rows of artifacts: a name, its manifest, and which blobs it needs. Decides nothing. */
import type { Database } from "bun:sqlite";
import type { Digest } from "../oci/index.ts";

export interface ArtifactRecord {
  /** Canonical. */
  readonly name: string;
  readonly digest: Digest;
  readonly manifest: string;
  readonly addedAt: string;
}

const columns = "name, digest, manifest, added_at AS addedAt";

/** By name. */
export function listArtifactRecords(database: Database): ArtifactRecord[] {
  return database.query<ArtifactRecord, []>(`SELECT ${columns} FROM artifact ORDER BY name`).all();
}

export function findArtifactRecord(database: Database, name: string): ArtifactRecord | null {
  return database
    .query<ArtifactRecord, [string]>(`SELECT ${columns} FROM artifact WHERE name = ?`)
    .get(name);
}

/** Those whose digest begins so ("sha256:" left away). */
export function findArtifactsByDigest(database: Database, hex: string): ArtifactRecord[] {
  return database
    .query<ArtifactRecord, [string]>(
      `SELECT ${columns} FROM artifact WHERE digest GLOB 'sha256:' || ? || '*' ORDER BY name`,
    )
    .all(hex);
}

/** Takes the place of one of that name; what that needed, in hex. Call it inside a transaction. */
export function putArtifactRecord(
  database: Database,
  { name, digest, manifest, addedAt }: ArtifactRecord,
  blobs: readonly Digest[],
): string[] {
  const before = deleteArtifactRecord(database, name);
  database
    .query("INSERT INTO artifact (name, digest, manifest, added_at) VALUES (?, ?, ?, ?)")
    .run(name, digest, manifest, addedAt);
  const insert = database.query("INSERT INTO artifact_blob (name, digest) VALUES (?, ?)");
  for (const blob of new Set([digest, ...blobs])) insert.run(name, blob);
  return before;
}

/** What it needed, in hex. Call it inside a transaction. */
export function deleteArtifactRecord(database: Database, name: string): string[] {
  const blobs = database
    .query<{ digest: string }, [string]>("SELECT digest FROM artifact_blob WHERE name = ?")
    .all(name);
  database.query("DELETE FROM artifact WHERE name = ?").run(name);
  return blobs.map(({ digest }) => digest.slice("sha256:".length));
}

/** Every blob that some artifact names, with the name of one. */
export function listArtifactBlobs(database: Database): { name: string; digest: Digest }[] {
  return database
    .query<{ name: string; digest: Digest }, []>(
      "SELECT min(name) AS name, digest FROM artifact_blob GROUP BY digest",
    )
    .all();
}
