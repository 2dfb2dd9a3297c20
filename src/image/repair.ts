/**
 * Mends what check.ts has found, as far as that can be done: texts from their rows, blobs from their registry, layers from
 * their blobs; what belongs to nothing goes. Killed anywhere, the next check finds what is left to do.
 */
import { rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { TspodError } from "../errors.ts";
import {
  blobsOfArtifact,
  chainIds,
  type Descriptor,
  type Digest,
  digestHex,
  parseArtifact,
  parseManifest,
  parseReference,
} from "../oci/index.ts";
import { findArtifactRecord } from "../store/artifacts.ts";
import { blobPath, hasBlob } from "../store/content.ts";
import { transact } from "../store/database.ts";
import { claimStrayBlobs, claimStrayLayers, type Orphans } from "../store/image-writes.ts";
import { writeIndexFile } from "../store/index-file.ts";
import type { ImageRecord } from "../store/images.ts";
import { layerTree } from "../store/layers.ts";
import { shareWork } from "../store/wait.ts";
import { ensureBlob, keepBytes } from "./blob.ts";
import { blobState, type Fault } from "./check.ts";
import type { ImageContext } from "./context.ts";
import { Feed } from "./feed.ts";
import { prepareStore } from "./prepare.ts";
import { removeFiles } from "./remove.ts";
import { findSource } from "./source.ts";
import { unpackLayer } from "./unpack.ts";

/** Undefined: it is mended. Otherwise why not. What only this machine could refuse (a full disk) is thrown. */
export async function repairFault(
  context: ImageContext,
  fault: Fault,
): Promise<TspodError | undefined> {
  prepareStore(context);
  try {
    await mend(context, fault);
    return undefined;
  } catch (error) {
    context.signal.throwIfAborted();
    const isOurs = error instanceof TspodError && !error.code.startsWith("store.full");
    if (!isOurs) throw error;
    return error;
  }
}

async function mend(context: ImageContext, fault: Fault): Promise<void> {
  const { database } = context;
  switch (fault.kind) {
    case "blob":
      return mendBlob(context, fault.image, fault.digest);
    case "layer":
      return mendLayer(context, fault.image, fault.chainId);
    case "mapped":
      database
        .query("DELETE FROM mapped_layer WHERE chain_id = ? AND owners = ?")
        .run(fault.chainId, fault.owners);
      return;
    case "artifact":
      return mendArtifact(context, fault.name, fault.digest);
    case "list":
    case "entry":
      throw new TspodError("store.corrupt", "Cannot mend a manifest list: nobody else has it", {
        next: "tspod manifest rm takes it away, tspod manifest create makes it again",
      });
    case "stray":
      return removeStray(context, fault.what, fault.name);
    case "index":
      writeIndexFile(database);
      return;
  }
}

/** Its manifest from its row, its files from the registry that it is named after. */
async function mendArtifact(context: ImageContext, name: string, digest: Digest): Promise<void> {
  const record = findArtifactRecord(context.database, name);
  if (record === null) return; // it was removed meanwhile
  const isManifest = digest === record.digest;
  const blobs = blobsOfArtifact(parseArtifact(record.manifest, name));
  const descriptor = blobs.find((blob) => blob.digest === digest);
  const sizeBytes = isManifest ? Buffer.byteLength(record.manifest) : (descriptor?.sizeBytes ?? 0);
  const { registry, repository } = parseReference(name);
  if (!isManifest && registry === "localhost") {
    throw new TspodError("store.corrupt", `Cannot mend "${name}": nobody else has blob ${digest}`, {
      next: "tspod artifact add --replace makes it again",
    });
  }
  await discardDamaged(context, digest, sizeBytes);
  if (isManifest) {
    using _kept = await keepBytes(context, record.manifest);
    return;
  }
  if (descriptor === undefined) return; // it has another manifest by now
  const reference = { registry, repository, digest: record.digest };
  const source = await findSource(context, reference, name);
  using _lease = await ensureBlob(context, source, { descriptor, what: name });
}

async function mendBlob(context: ImageContext, image: ImageRecord, digest: Digest): Promise<void> {
  const texts = new Map<Digest, string>([
    [image.id, image.configText],
    [image.manifestDigest, image.manifest],
  ]);
  const text = texts.get(digest);
  const descriptor = layersOf(image).find((layer) => layer.digest === digest);
  const sizeBytes = text === undefined ? (descriptor?.sizeBytes ?? 0) : Buffer.byteLength(text);
  if (text === undefined && descriptor === undefined) return; // the image has another manifest by now
  const name = image.names.find(({ reference }) => !reference.startsWith("localhost/"));
  if (text === undefined && name === undefined) throw beyondRepair(image, digest);
  await discardDamaged(context, digest, sizeBytes);
  if (text !== undefined) {
    using _kept = await keepBytes(context, text);
    return;
  }
  if (descriptor === undefined || name === undefined) return;
  const { registry, repository } = parseReference(name.reference);
  const what = name.reference;
  const reference = { registry, repository, digest: image.manifestDigest };
  const source = await findSource(context, reference, what);
  using _lease = await ensureBlob(context, source, { descriptor, what });
}

/** Somebody may have fetched it anew between the look and now: it is read once more, with nobody else at it. */
async function discardDamaged(
  context: ImageContext,
  digest: Digest,
  sizeBytes: number,
): Promise<void> {
  const { database, paths, signal } = context;
  await shareWork<void>(database, signal, {
    resource: `make:blob:${digestHex(digest)}`,
    directory: paths.blobs,
    find: () => undefined,
    make: async () => {
      if (blobState(context, digest, sizeBytes, false) !== "damaged") return;
      rmSync(blobPath(paths, digest), { recursive: true, force: true });
    },
  });
}

async function mendLayer(
  context: ImageContext,
  image: ImageRecord,
  chainId: string,
): Promise<void> {
  const { database, paths, signal } = context;
  const at = chainIds(image.config.diffIds).findIndex((chain) => digestHex(chain) === chainId);
  const [diffId, descriptor] = [image.config.diffIds[at], layersOf(image)[at]];
  if (diffId === undefined || descriptor === undefined) throw beyondRepair(image, image.id);
  const { digest: blobDigest, sizeBytes } = descriptor;
  if (!hasBlob(paths, blobDigest, sizeBytes)) throw beyondRepair(image, blobDigest);
  const feed = new Feed();
  feed.finish(blobPath(paths, blobDigest), sizeBytes);
  const what = image.reference || image.id;
  const isThere = (): true | undefined => {
    const stat = statSync(layerTree(paths, chainId), { throwIfNoEntry: false });
    return stat?.isDirectory() === true ? true : undefined;
  };
  await shareWork<true>(database, signal, {
    resource: `make:layer:${chainId}`,
    directory: paths.layers,
    find: isThere,
    make: async () => {
      const layer = { chainId, diffId, blobDigest, what, verified: Promise.resolve() };
      await unpackLayer(context, feed, layer);
      return true;
    },
  });
}

async function removeStray(
  context: ImageContext,
  what: "blob" | "layer",
  name: string,
): Promise<void> {
  const { database, paths } = context;
  if (what === "blob" && !/^[0-9a-f]{64}$/.test(name)) {
    rmSync(join(paths.blobs, name), { recursive: true, force: true }); // no lease is about such a name
    return;
  }
  const claim = (): Orphans =>
    what === "blob" ? claimStrayBlobs(database, [name]) : claimStrayLayers(database, [name]);
  removeFiles(context, transact(database, claim, { durable: true }));
}

function layersOf(image: ImageRecord): readonly Descriptor[] {
  const manifest = parseManifest(image.manifest, { what: image.reference || image.id });
  return manifest.kind === "manifest" ? manifest.layers : [];
}

function beyondRepair(image: ImageRecord, digest: Digest): TspodError {
  const what = image.reference || image.id;
  return new TspodError("store.corrupt", `Cannot mend "${what}": nobody else has blob ${digest}`, {
    next: `load or build it again; tspod rmi -f ${what} takes it away`,
  });
}
