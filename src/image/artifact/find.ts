/** Artifacts of the store by what a user calls them, and their removal. */
import { TspodError } from "../../errors.ts";
import { type Artifact, type Digest, parseArtifact, parseReference } from "../../oci/index.ts";
import {
  type ArtifactRecord,
  deleteArtifactRecord,
  findArtifactRecord,
  findArtifactsByDigest,
  listArtifactRecords,
} from "../../store/artifacts.ts";
import { transact } from "../../store/database.ts";
import { recordEvent } from "../../store/events.ts";
import { claimStrayBlobs, type Orphans } from "../../store/image-writes.ts";
import type { ImageContext } from "../context.ts";
import { candidates } from "../find.ts";
import { removeFiles } from "../remove.ts";

export interface StoredArtifact extends ArtifactRecord {
  readonly artifact: Artifact;
}

type Store = Pick<ImageContext, "database">;

export function listArtifacts({ database }: Store): StoredArtifact[] {
  return listArtifactRecords(database).map(withContent);
}

/** By its name, or its digest or the beginning of one. Throws image.not_found, reference.invalid. */
export function getArtifact({ database }: Store, text: string): StoredArtifact {
  const hex = /^(?:sha256:)?([0-9a-f]{3,64})$/.exec(text)?.[1];
  const named = text.startsWith("sha256:") ? null : findNamed(database, text);
  const found = named ?? (hex === undefined ? [] : findArtifactsByDigest(database, hex))[0];
  if (found !== undefined) return withContent(found);
  throw new TspodError("image.not_found", `Cannot find artifact "${text}"`, {
    next: "tspod artifact ls lists them; tspod artifact pull fetches one",
  });
}

function findNamed(database: Store["database"], text: string): ArtifactRecord | null {
  for (const name of candidates(text, parseReference(text))) {
    const found = findArtifactRecord(database, name);
    if (found !== null) return found;
  }
  return null;
}

function withContent(record: ArtifactRecord): StoredArtifact {
  return { ...record, artifact: parseArtifact(record.manifest, record.name) };
}

/** Its name and its files, as far as nothing else needs them. Throws image.not_found. */
export async function removeArtifact(context: ImageContext, text: string): Promise<Digest> {
  const { database } = context;
  const work = (): { name: string; digest: Digest; orphans: Orphans } => {
    const { name, digest } = getArtifact(context, text);
    return {
      name,
      digest,
      orphans: claimStrayBlobs(database, deleteArtifactRecord(database, name), { isRemoval: true }),
    };
  };
  // the row is gone for good before its files go
  const { name, digest, orphans } = transact(database, work, { durable: true });
  recordEvent(context, { type: "artifact", status: "remove", id: digest, name });
  removeFiles(context, orphans);
  return digest;
}
