/**
 * Archives of images, into the store: docker's (manifest.json, or before 1.10 repositories), OCI layouts (index.json) and
 * skopeo's directories, as streams, plain or compressed. An archive is read once, from its beginning to its end; nothing is
 * recorded before all of it has been seen. What it says is believed only where digests prove it.
 */
import { TspodError } from "../../errors.ts";
import {
  chainIds,
  type Descriptor,
  type Digest,
  digestHex,
  digestOf,
  formatReference,
  parseReference,
  type ImageConfig,
  imageConfigSizeBytesMax,
  mediaTypes,
  parseImageConfig,
  parseManifest,
} from "../../oci/index.ts";
import { parseDockerArchive, type ArchivedImage } from "../../oci/docker-archive.ts";
import { explainWrite, hasBlob } from "../../store/content.ts";
import { recordEvent } from "../../store/events.ts";
import { transact } from "../../store/database.ts";
import {
  claimStrayBlobs,
  claimStrayLayers,
  insertImage,
  insertName,
  type Orphans,
} from "../../store/image-writes.ts";
import { changeNames } from "../../store/index-file.ts";
import { listImageRecords } from "../../store/images.ts";
import { keepLease } from "../../store/leases.ts";
import { hasLayer } from "../../store/layers.ts";
import { keepBytes } from "../blob.ts";
import type { ImageContext } from "../context.ts";
import { decompress } from "../decompress.ts";
import { ensureLayers, type WantedLayer } from "../layers.ts";
import { wire } from "../make-image.ts";
import { prepareStore } from "../prepare.ts";
import { removeFiles } from "../remove.ts";
import { layoutImages, type LayoutImage } from "./layout.ts";
import { legacyImages } from "./legacy.ts";
import { type ArchiveEntry, readTar } from "./read-tar.ts";
import { Spool } from "./spool.ts";

export interface LoadedImage {
  readonly id: Digest;
  /** Canonical. */
  readonly names: readonly string[];
}

export interface ArchiveSource {
  /** A tar archive, or the entries of a directory. */
  readonly bytes?: AsyncIterable<Uint8Array>;
  readonly entries?: AsyncIterable<ArchiveEntry>;
  /** For errors: '"web.tar"', "standard input". */
  readonly what: string;
}

/**
 * Every image of the archive, as each is in the store. Errors: image.invalid, layer.invalid, registry.digest_mismatch,
 * reference.invalid, store.full, whatever the source throws.
 */
export async function* loadImages(
  context: ImageContext,
  { bytes, entries, what }: ArchiveSource,
): AsyncGenerator<LoadedImage, void, undefined> {
  const { paths, database, helper } = context;
  prepareStore(context);
  const touched: Touched = { blobs: new Set(), layers: new Set() };
  try {
    using _lease = keepLease(database, "keep:ingest:load");
    await using spool = new Spool(context, what);
    const plain = (): AsyncIterable<Uint8Array> =>
      decompress(bytes ?? nothing(), what, { helper, foreign: "programs" });
    const all = entries ?? readTar(plain(), what);
    for await (const entry of all) await spool.add(entry);
    for (const image of await findImages(spool, what))
      yield await store(context, spool, image, { what, touched });
  } catch (error) {
    await discardTouched(context, touched);
    throw explainWrite(error, paths);
  } finally {
    context.report({ kind: "end" });
  }
}

/** Hex digits of what may have been put into the store for an image that then could not be recorded. */
interface Touched {
  readonly blobs: Set<string>;
  readonly layers: Set<string>;
}

/** What images have, or somebody else relies on, stays. */
async function discardTouched(context: ImageContext, { blobs, layers }: Touched): Promise<void> {
  const { database } = context;
  const claims = [() => claimStrayLayers(database, layers), () => claimStrayBlobs(database, blobs)];
  for (const claim of claims) {
    const orphans = transact<Orphans>(database, claim, { durable: false });
    removeFiles(context, orphans);
  }
}

async function* nothing(): AsyncIterable<Uint8Array> {}

type FoundImage =
  | ({ kind: "archive"; names: string[] } & Pick<ArchivedImage, "config" | "layers">)
  | ({ kind: "layout"; names: string[] } & LayoutImage);

/** Which of the formats it is, and what is in it. Names are canonical from here on. */
async function findImages(spool: Spool, what: string): Promise<FoundImage[]> {
  const manifest = spool.findText("manifest.json");
  const index = spool.findText("index.json");
  if (manifest?.trimStart().startsWith("[") === true) {
    return archived(spool, parseDockerArchive(manifest, what), what);
  }
  if (index !== undefined || manifest !== undefined) {
    const images = await layoutImages(spool, { index, manifest }, what);
    if (images.length === 0) throw spool.invalid("it holds no image");
    return images.map((image) => ({
      ...{ kind: "layout", names: image.name === "" ? [] : [layoutName(image.name)] },
      ...image,
    }));
  }
  const repositories = spool.findText("repositories");
  if (repositories !== undefined) {
    return archived(spool, await legacyImages(spool, repositories, what), what);
  }
  throw spool.invalid(
    "it holds no manifest.json and no index.json, so no image",
    "tspod import makes an image of an archive of files",
  );
}

function archived(spool: Spool, images: readonly ArchivedImage[], what: string): FoundImage[] {
  if (images.length === 0) throw spool.invalid("it holds no image");
  return images.map(({ names, ...image }) => ({
    ...{ kind: "archive", names: names.map((name) => canonical(name, what)) },
    ...image,
  }));
}

/** Names are words of strangers: one that is none is said to be in the archive. */
function canonical(name: string, what: string): string {
  try {
    const reference = parseReference(name);
    if (reference.digest === undefined) return formatReference(reference);
  } catch (cause) {
    if (!(cause instanceof TspodError)) throw cause;
  }
  throw new TspodError(
    "image.invalid",
    `Cannot load ${what}: ${JSON.stringify(name.slice(0, 100))} is no name for an image`,
  );
}

/** A whole name; or, as many write it, only a tag or some words, which names nothing of anybody's registry. */
function layoutName(name: string): string {
  const isWhole = /[/:]/.test(name);
  return formatReference(parseReference(isWhole ? name : `localhost/${name}`));
}

async function store(
  context: ImageContext,
  spool: Spool,
  image: FoundImage,
  { what, touched }: { what: string; touched: Touched },
): Promise<LoadedImage> {
  const id = await idOf(spool, image);
  if (isNamed(context, id, image.names)) {
    recordLoaded(context, id, image.names);
    return { id, names: image.names };
  }
  await put(context, spool, image, { what, touched });
  recordLoaded(context, id, image.names);
  return { id, names: image.names };
}

async function idOf(spool: Spool, image: FoundImage): Promise<Digest> {
  if (image.kind === "layout") return image.manifest.config.digest;
  return digestOf(await spool.text(image.config));
}

/**
 * The same config is the same files. An image that is here with all its blobs keeps them, and the manifest it came with:
 * an archive may have the same files under other digests. False: it is not here, or not whole.
 */
function isNamed({ database, paths }: ImageContext, id: Digest, names: readonly string[]): boolean {
  return changeNames(database, () => {
    const [present] = listImageRecords(database, id);
    if (present === undefined) return false;
    const manifest = parseManifest(present.manifest, { what: id });
    const own = { digest: present.manifestDigest, sizeBytes: Buffer.byteLength(present.manifest) };
    const blobs = manifest.kind === "manifest" ? [own, manifest.config, ...manifest.layers] : [own];
    if (!blobs.every(({ digest, sizeBytes }) => hasBlob(paths, digest, sizeBytes))) return false;
    for (const reference of names) {
      const isSame = present.names.some((name) => name.reference === reference);
      if (!isSame) insertName(database, id, { reference, digest: "" });
    }
    return true;
  });
}

function recordLoaded(context: ImageContext, id: Digest, [name = ""]: readonly string[]): void {
  recordEvent(context, { type: "image", status: "load", id, name });
}

async function put(
  context: ImageContext,
  spool: Spool,
  image: FoundImage,
  { what, touched }: { what: string; touched: Touched },
): Promise<void> {
  using kept = new DisposableStack();
  const shown = image.names[0] ?? what;
  const { id, manifest, configText, config, layers } =
    image.kind === "archive"
      ? await fromArchive(context, spool, image, { kept, touched, what: shown })
      : await fromLayout(context, spool, image, { kept, touched, what: shown });
  await ensureLayers(context, null, layers, kept, shown);
  const [first, ...others] = image.names;
  insertImage(context.database, {
    ...{ id, manifest, configText, config, manifestDigest: digestOf(manifest) },
    layers: layers.map(({ chainId, descriptor }) => ({ chainId, blobDigest: descriptor.digest })),
    name: first === undefined ? undefined : { reference: first, digest: "" },
    pulledAt: new Date().toISOString(),
  });
  if (others.length > 0) {
    changeNames(context.database, () => {
      for (const reference of others) insertName(context.database, id, { reference, digest: "" });
    });
  }
}

interface Preparing {
  readonly kept: DisposableStack;
  readonly touched: Touched;
  readonly what: string;
}

interface Prepared {
  id: Digest;
  manifest: string;
  configText: string;
  config: ImageConfig;
  layers: WantedLayer[];
}

/** The blobs are here: the manifest's own bytes stay what they are. */
async function fromLayout(
  context: ImageContext,
  spool: Spool,
  { manifest, text }: LayoutImage,
  { kept, touched, what }: Preparing,
): Promise<Prepared> {
  const configText = await spool.blobText(manifest.config.digest);
  const config = checkedConfig(spool, configText, manifest.layers.length, what);
  touched.blobs.add(digestHex(digestOf(text)));
  for (const chain of chainIds(config.diffIds)) touched.layers.add(digestHex(chain));
  kept.use(await keepBytes(context, text));
  for (const { digest, sizeBytes } of [manifest.config, ...manifest.layers]) {
    touched.blobs.add(digestHex(digest));
    kept.use(await spool.publish(digest, sizeBytes));
  }
  const layers = wantedLayers(config.diffIds, manifest.layers);
  return { id: manifest.config.digest, manifest: text, configText, config, layers };
}

/** Docker's archives have no manifest in our sense: one is made, of what the layers became here. */
async function fromArchive(
  context: ImageContext,
  spool: Spool,
  image: Pick<ArchivedImage, "config" | "layers">,
  { kept, touched, what }: Preparing,
): Promise<Prepared> {
  const configText = await spool.text(image.config);
  const config = checkedConfig(spool, configText, image.layers.length, what);
  const { diffIds } = config;
  const chains = chainIds(diffIds).map(digestHex);
  for (const chain of chains) touched.layers.add(chain);
  const descriptors: Descriptor[] = [];
  for (const [at, name] of image.layers.entries()) {
    const layer = spool.layer(name);
    touched.blobs.add(digestHex("digest" in layer ? layer.digest : layer.descriptor.digest));
    if ("digest" in layer) {
      const mediaType = layerType(await spool.blobHead(layer.digest));
      kept.use(await spool.publish(layer.digest));
      descriptors.push({ mediaType, ...layer });
      continue;
    }
    if (layer.diffId !== diffIds[at]) {
      throw spool.invalid(`"${name}" unpacks to ${layer.diffId} instead of ${diffIds[at]}`);
    }
    if (hasLayer(context.database, chains[at] ?? "")) await layer.publishBlob(kept);
    else await layer.publish(diffIds.slice(0, at), kept);
    descriptors.push(layer.descriptor);
  }
  const id = digestOf(configText);
  const configSize = Buffer.byteLength(configText);
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    config: wire({ mediaType: mediaTypes.config, digest: id, sizeBytes: configSize }),
    layers: descriptors.map(wire),
  });
  for (const bytes of [configText, manifest]) {
    touched.blobs.add(digestHex(digestOf(bytes)));
    kept.use(await keepBytes(context, bytes));
  }
  return { id, manifest, configText, config, layers: wantedLayers(diffIds, descriptors) };
}

function checkedConfig(spool: Spool, text: string, layerCount: number, what: string): ImageConfig {
  if (Buffer.byteLength(text) > imageConfigSizeBytesMax) {
    throw spool.invalid(`the config of ${what} has more than ${imageConfigSizeBytesMax} bytes`);
  }
  const config = parseImageConfig(text, what);
  if (config.diffIds.length === layerCount) return config;
  throw spool.invalid(`${what} has ${layerCount} layers, its config ${config.diffIds.length}`);
}

function wantedLayers(
  diffIds: readonly Digest[],
  descriptors: readonly Descriptor[],
): WantedLayer[] {
  return chainIds(diffIds).flatMap((chain, i) => {
    const [diffId, descriptor] = [diffIds[i], descriptors[i]];
    // there are as many of one as of the other: checkedConfig()
    return diffId && descriptor ? [{ chainId: digestHex(chain), diffId, descriptor }] : [];
  });
}

function layerType(head: Uint8Array): string {
  const hex = Buffer.from(head.subarray(0, 4)).toString("hex");
  if (hex.startsWith("1f8b")) return mediaTypes.layerGzip;
  return hex === "28b52ffd" || /^5.2a4d18$/.test(hex) ? mediaTypes.layerZstd : mediaTypes.layer;
}
