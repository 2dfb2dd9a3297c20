/**
 * Images out of the store, as archives and directories that docker, podman, skopeo and umoci read. The same images give
 * the same bytes: order, times and owners are fixed, and there is nothing of this host in them. Layers are streamed from
 * their blobs, and what does not hash to what it should is an error, not an archive.
 */
import {
  createReadStream,
  mkdirSync,
  openSync,
  writeFileSync,
  writeSync,
  closeSync,
  fsyncSync,
} from "node:fs";
import { join } from "node:path";
import { TspodError } from "../../errors.ts";
import {
  type Descriptor,
  type Digest,
  digestHex,
  digestOf,
  parseReference,
  repositoryName,
} from "../../oci/index.ts";
import { blobPath, hasBlob } from "../../store/content.ts";
import { recordEvent } from "../../store/events.ts";
import { keepLease } from "../../store/leases.ts";
import type { ImageContext } from "../context.ts";
import { decompress } from "../decompress.ts";
import { gatherImages, type SavedImage } from "./gather.ts";
import { endArchive, type Sink, writeDirectory, writeEntry, writeText } from "./write-tar.ts";

export const archiveFormats = ["docker-archive", "oci-archive"] as const;
export const directoryFormats = ["oci-dir", "docker-dir"] as const;
export type ArchiveFormat = (typeof archiveFormats)[number];
export type DirectoryFormat = (typeof directoryFormats)[number];

/** Errors: image.not_found, store.corrupt when a blob is missing or damaged, whatever the sink throws. */
export async function saveArchive(
  context: ImageContext,
  words: readonly string[],
  format: ArchiveFormat,
  sink: Sink,
): Promise<void> {
  using kept = new DisposableStack();
  const isDocker = format === "docker-archive";
  const images = gatherImages(context, words, isDocker ? "docker" : "oci", kept);
  requireBlobs(context, images);
  if (isDocker) await writeDockerArchive(context, images, sink);
  else await writeLayoutArchive(context, images, sink);
  await endArchive(sink);
  recordSaved(context, images);
}

/** `directory` exists and is empty. */
export async function saveDirectory(
  context: ImageContext,
  words: readonly string[],
  format: DirectoryFormat,
  { directory, isCompressed }: { directory: string; isCompressed: boolean },
): Promise<void> {
  using kept = new DisposableStack();
  const isDocker = format === "docker-dir";
  let images = gatherImages(context, words, isDocker ? "docker" : "oci", kept);
  requireBlobs(context, images);
  const [first, second] = images;
  if (isDocker && (first === undefined || second !== undefined)) {
    throw new TspodError("usage", "--format docker-dir holds one image", {
      next: "save them one by one, or use oci-dir",
    });
  }
  const files = new Map<Digest, string>();
  if (isCompressed) {
    const { compressImage } = await import("./compress.ts");
    // who is killed in the middle leaves a file that nobody else would look for
    kept.use(keepLease(context.database, "keep:ingest:save"));
    const compressed = [];
    for (const image of images) compressed.push(await compressImage(context, image, kept));
    images = compressed.map(({ image }) => image);
    for (const [digest, path] of compressed.flatMap((one) => [...one.files]))
      files.set(digest, path);
  }
  const [saved] = images;
  const blobs = isDocker ? directory : join(directory, "blobs/sha256");
  if (!isDocker) mkdirSync(blobs, { recursive: true, mode: 0o755 });
  for (const blob of blobsOf(images, { withManifests: !isDocker })) {
    const source = files.get(blob.digest) ?? blobPath(context.paths, blob.digest);
    await writeBlobFile(source, join(blobs, digestHex(blob.digest)), blob);
  }
  if (isDocker) {
    writeWhole(join(directory, "version"), "Directory Transport Version: 1.1\n");
    writeWhole(join(directory, "manifest.json"), saved?.manifest ?? "");
  } else {
    writeWhole(join(directory, "oci-layout"), layoutMark);
    writeWhole(join(directory, "index.json"), indexOf(images));
  }
  recordSaved(context, images);
}

const layoutMark = '{"imageLayoutVersion":"1.0.0"}';

/** moby image/spec v1.2. What says what is in it comes first, so that who reads it as a stream knows what to expect. */
async function writeDockerArchive(
  context: ImageContext,
  images: readonly SavedImage[],
  sink: Sink,
): Promise<void> {
  const layerName = (diffId: Digest): string => `${digestHex(diffId)}.tar`;
  const manifest = images.map(({ id, names, diffIds }) => ({
    Config: `${digestHex(id)}.json`,
    RepoTags: names.length === 0 ? null : names,
    Layers: diffIds.map(layerName),
  }));
  await writeText(sink, "manifest.json", JSON.stringify(manifest));
  await writeText(sink, "repositories", JSON.stringify(repositoriesOf(images)));
  for (const { id, configText } of images) {
    await writeText(sink, `${digestHex(id)}.json`, configText);
  }
  const written = new Set<Digest>();
  for (const { diffIds, layers } of images) {
    for (const [at, diffId] of diffIds.entries()) {
      const layer = layers[at];
      if (layer === undefined || written.has(diffId)) continue;
      written.add(diffId);
      const sizeBytes = await plainSize(context, layer);
      const tar = checked(plain(context, layer), diffId, layer.digest);
      await writeEntry(sink, { name: layerName(diffId), sizeBytes }, tar);
    }
  }
}

/** For readers from before 2016, which also knew ids of layers: the topmost stands for the image. */
function repositoriesOf(images: readonly SavedImage[]): object {
  const repositories: Record<string, Record<string, string>> = {};
  for (const { names, diffIds } of images) {
    const top = diffIds.at(-1);
    for (const name of top === undefined ? [] : names) {
      const reference = parseReference(name);
      const tags = (repositories[repositoryName(reference)] ??= {});
      if (top !== undefined) tags[reference.tag ?? "latest"] = digestHex(top);
    }
  }
  return repositories;
}

async function writeLayoutArchive(
  context: ImageContext,
  images: readonly SavedImage[],
  sink: Sink,
): Promise<void> {
  await writeText(sink, "oci-layout", layoutMark);
  await writeText(sink, "index.json", indexOf(images));
  // readers that unpack it as an ordinary user cannot make a directory that is not in it
  for (const name of ["blobs/", "blobs/sha256/"]) await writeDirectory(sink, name);
  for (const { digest, sizeBytes, text } of blobsOf(images, { withManifests: true })) {
    const name = `blobs/sha256/${digestHex(digest)}`;
    if (text !== undefined) await writeText(sink, name, text);
    else {
      const bytes = checked(readBlob(context, digest), digest, digest);
      await writeEntry(sink, { name, sizeBytes }, bytes);
    }
  }
}

function indexOf(images: readonly SavedImage[]): string {
  const manifests = images.flatMap(({ manifest, mediaType, names }) => {
    const descriptor = { mediaType, digest: digestOf(manifest), size: Buffer.byteLength(manifest) };
    if (names.length === 0) return [descriptor];
    return names.map((name) => ({
      ...descriptor,
      annotations: { "org.opencontainers.image.ref.name": name },
    }));
  });
  return JSON.stringify({ schemaVersion: 2, manifests });
}

interface SavedBlob {
  digest: Digest;
  sizeBytes: number;
  /** Absent: it is in the store. */
  text?: string;
}

/** Each once, in the order of the images. */
function blobsOf(
  images: readonly SavedImage[],
  { withManifests }: { withManifests: boolean },
): Iterable<SavedBlob> {
  const blobs = new Map<Digest, SavedBlob>();
  const add = (blob: SavedBlob): void => {
    if (!blobs.has(blob.digest)) blobs.set(blob.digest, blob);
  };
  const texts = ({ manifest, configText }: SavedImage): string[] =>
    withManifests ? [manifest, configText] : [configText];
  for (const image of images) {
    for (const text of texts(image)) {
      add({ digest: digestOf(text), sizeBytes: Buffer.byteLength(text), text });
    }
    for (const { digest, sizeBytes } of image.layers) add({ digest, sizeBytes });
  }
  return blobs.values();
}

/** Said before the first byte is written. */
function requireBlobs({ paths }: ImageContext, images: readonly SavedImage[]): void {
  for (const { what, layers } of images) {
    const missing = layers.find(({ digest, sizeBytes }) => !hasBlob(paths, digest, sizeBytes));
    if (missing === undefined) continue;
    throw new TspodError(
      "store.corrupt",
      `Cannot save "${what}": its blob ${missing.digest} is missing`,
      { next: `tspod rmi -f ${what}; tspod pull ${what}` },
    );
  }
}

const chunkBytes = 256 * 1024;

function readBlob({ paths }: ImageContext, digest: Digest): AsyncIterable<Uint8Array> {
  return createReadStream(blobPath(paths, digest), { highWaterMark: chunkBytes });
}

const plain = (context: ImageContext, { digest }: Descriptor): AsyncIterable<Uint8Array> =>
  decompress(readBlob(context, digest), `layer ${digest}`, context);

/** A tar says how long an entry is before it comes, and nothing else knows it: the layer is decompressed twice. */
async function plainSize(context: ImageContext, layer: Descriptor): Promise<number> {
  let sizeBytes = 0;
  for await (const chunk of plain(context, layer)) sizeBytes += chunk.length;
  return sizeBytes;
}

async function* checked(
  chunks: AsyncIterable<Uint8Array>,
  digest: Digest,
  blob: Digest,
): AsyncIterable<Uint8Array> {
  const hash = new Bun.CryptoHasher("sha256");
  for await (const chunk of chunks) {
    hash.update(chunk);
    yield chunk;
  }
  const got = `sha256:${hash.digest("hex")}`;
  if (got === digest) return;
  throw new TspodError("store.corrupt", `Cannot save blob ${blob}: it is damaged`, {
    next: "tspod system check says which images it is of",
  });
}

async function writeBlobFile(source: string, path: string, blob: SavedBlob): Promise<void> {
  if (blob.text !== undefined) return writeWhole(path, blob.text);
  const fd = openSync(path, "wx", 0o644);
  try {
    const whole = createReadStream(source, { highWaterMark: chunkBytes });
    for await (const chunk of checked(whole, blob.digest, blob.digest)) {
      for (let done = 0; done < chunk.length;) done += writeSync(fd, chunk, done);
    }
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function writeWhole(path: string, text: string): void {
  writeFileSync(path, text, { flag: "wx", mode: 0o644 });
}

function recordSaved(context: ImageContext, images: readonly SavedImage[]): void {
  for (const { id, what } of images) {
    recordEvent(context, { type: "image", status: "save", id, name: what });
  }
}
