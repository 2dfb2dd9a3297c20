/** From an image in the store to a name in a registry: what is missing there is sent, then the manifest that names it. */
import { openSync, closeSync, readSync } from "node:fs";
import { TspodError } from "../errors.ts";
import {
  type Descriptor,
  type Digest,
  formatReference,
  familiarReference,
  isImageId,
  type Manifest,
  parseManifest,
  parseReference,
  type Reference,
} from "../oci/index.ts";
import {
  type BlobSource,
  type Endpoint,
  endpoints,
  pushBlob,
  type RegistryClient,
} from "../registry/index.ts";
import { blobPath, explainWrite, hasBlob } from "../store/content.ts";
import { recordEvent } from "../store/events.ts";
import { recordPushedDigest } from "../store/image-writes.ts";
import type { ImageRecord, StoredImage } from "../store/images.ts";
import { asAsked, openRegistry, type RegistryAccess } from "./access.ts";
import { type ImageContext, withSignal } from "./context.ts";
import type { LayerPhase } from "./events.ts";
import { getImage, listsImages } from "./find.ts";
import { type ImageFormat, keepBase } from "./make-image.ts";
import { findMounts } from "./mounts.ts";
import { prepareStore } from "./prepare.ts";
import {
  compressionOf,
  convertManifest,
  formatOf,
  isForeign,
  layerType,
  type PushManifest,
} from "./push-manifest.ts";
import { type Compression, recompress } from "./recompress.ts";
import { readRegistryRules } from "./settings.ts";

export interface PushOptions {
  /** Another name than the image's. */
  readonly destination?: string;
  readonly access?: RegistryAccess;
  /** Only by its digest, as an image of a list is. */
  readonly isUntagged?: boolean;
  /** Absent: as it is, or the other one when the registry refuses that. */
  readonly format?: ImageFormat;
  /** Absent: as they are. */
  readonly compression?: Compression & { readonly isForced: boolean };
}

export interface PushedImage {
  readonly reference: Reference;
  readonly digest: Digest;
  /** Of the manifest. */
  readonly sizeBytes: number;
}

/** Blobs on their way at once. */
const parallelMax = 4;

interface Push {
  readonly context: ImageContext;
  readonly client: RegistryClient;
  readonly endpoint: Endpoint;
  readonly what: string;
  readonly record: ImageRecord;
  readonly mounts: ReadonlyMap<Digest, string>;
}

/**
 * Send an image; what the registry has already is not sent. Idempotent, and safe to kill anywhere.
 * Throws reference.invalid, image.not_found, registry.*, store.corrupt when a blob of it is missing.
 */
export async function pushImage(
  context: ImageContext,
  text: string,
  options: PushOptions = {},
): Promise<PushedImage> {
  const image = getImage(context, text, { next: listsImages });
  const reference = destinationOf(options.destination ?? nameOf(image, text));
  using kept = new DisposableStack();
  const record = keepBase(context, image.id, kept);
  if (record === undefined) {
    throw new TspodError("image.not_found", `Cannot find image "${text}": it was just removed`);
  }
  try {
    prepareStore(context);
    context.report({ kind: "pushing", reference: formatReference(reference) });
    return await push(context, record, reference, options);
  } catch (error) {
    const isUnreachable = error instanceof TspodError && error.code === "registry.unreachable";
    if (isUnreachable && reference.registry === "localhost") throw noRegistry(text, error);
    throw explainWrite(error, context.paths);
  } finally {
    context.report({ kind: "end" });
  }
}

/** The name it was called by: one of several that an id may have is not for us to choose. */
function nameOf({ reference }: StoredImage, text: string): string {
  const isNamed = !isImageId(text) || reference.endsWith(`/${text}:latest`);
  if (isNamed && reference !== "") return reference;
  throw new TspodError("usage", `"${text}" is an id: it does not say where to push to`, {
    next: `tspod push ${text} REGISTRY/NAME:TAG`,
  });
}

/** What is made here is called localhost/NAME. */
function noRegistry(text: string, cause: unknown): TspodError {
  return new TspodError(
    "registry.unreachable",
    `Cannot push "${text}": its name has no registry, and none answers on this machine`,
    { next: `tspod push ${text} REGISTRY/NAME:TAG`, cause },
  );
}

function destinationOf(text: string): Reference {
  const reference = parseReference(text);
  if (reference.digest === undefined) return reference;
  throw new TspodError(
    "reference.invalid",
    `Cannot push to "${text}": a digest is not given, but found`,
    {
      next: "use NAME or NAME:TAG",
    },
  );
}

async function push(
  outer: ImageContext,
  record: ImageRecord,
  reference: Reference,
  { access = {}, format, compression, isUntagged = false }: PushOptions,
): Promise<PushedImage> {
  const what = familiarReference(reference);
  const manifest = parseManifest(record.manifest, { what });
  if (manifest.kind === "index") throw new RangeError("an image's manifest is no index");
  const origin = endpoints(readRegistryRules(outer.environment), reference).at(-1);
  if (origin === undefined) throw new RangeError("no endpoint"); // the origin is always one
  const endpoint = asAsked(origin, access);
  const mounts = findMounts(outer, record, endpoint);
  const client = openRegistry(outer, access, scopesFor(endpoint, mounts));
  const failure = new AbortController();
  const context = withSignal(outer, AbortSignal.any([outer.signal, failure.signal]));
  const work = { context, client, endpoint, what, record, mounts };
  const wanted = format ?? formatFor(manifest, compression);
  const layers = await pushLayers(work, manifest, { format: wanted, compression, failure });
  await pushConfig(work, manifest);
  const converted = convertManifest(record.manifest, manifest, { format: wanted, layers });
  const pushed = await pushManifest(work, manifest, {
    manifest: converted,
    tag: isUntagged ? converted.digest : (reference.tag ?? "latest"),
    layers,
    isFormatGiven: format !== undefined || isUntagged,
  });
  const name = formatReference(reference);
  if (!isUntagged) {
    recordPushedDigest(outer.database, { id: record.id, reference: name, digest: pushed.digest });
    recordEvent(outer, { type: "image", status: "push", id: record.id, name });
  }
  return { reference, digest: pushed.digest, sizeBytes: Buffer.byteLength(pushed.text) };
}

/** All that may be wanted with one token, so that no more than one is asked for. */
function scopesFor({ repository }: Endpoint, mounts: ReadonlyMap<Digest, string>): string[] {
  const others = [...new Set(mounts.values())].map((from) => `repository:${from}:pull`);
  return [`repository:${repository}:pull,push`, ...others];
}

/** zstd is not in docker's format. */
function formatFor(manifest: Manifest, compression: Compression | undefined): ImageFormat {
  return compression?.format === "zstd" ? "oci" : formatOf(manifest);
}

async function pushLayers(
  work: Push,
  manifest: Manifest,
  {
    format,
    compression,
    failure,
  }: {
    format: ImageFormat;
    compression: PushOptions["compression"];
    failure: AbortController;
  },
): Promise<Descriptor[]> {
  const { context } = work;
  context.report({
    kind: "layers",
    layers: manifest.layers.map(({ digest, sizeBytes }) => ({
      digest,
      sizeBytes,
      isPresent: false,
    })),
  });
  const pushed: Descriptor[] = [];
  /** The same layer twice is sent once. */
  const done = new Map<Digest, Promise<Descriptor>>();
  const queue = [...manifest.layers.entries()];
  const worker = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const [i, layer] = next;
      const sending = done.get(layer.digest) ?? pushLayer(work, layer, { format, compression });
      done.set(layer.digest, sending);
      pushed[i] = await sending;
    }
  };
  const workers = Array.from({ length: Math.min(parallelMax, queue.length) }, () =>
    worker().catch((error: unknown) => {
      failure.abort(error);
      throw error;
    }),
  );
  await Promise.allSettled(workers);
  if (failure.signal.aborted) throw failure.signal.reason;
  return pushed;
}

/** What the manifest is to say of it. */
async function pushLayer(
  work: Push,
  layer: Descriptor,
  { format, compression }: { format: ImageFormat; compression: PushOptions["compression"] },
): Promise<Descriptor> {
  const { context, what } = work;
  if (isForeign(layer)) return layer;
  const phase = (name: LayerPhase): void =>
    context.report({ kind: "phase", digest: layer.digest, phase: name });
  const onProgress = (bytes: number): void =>
    context.report({ kind: "downloaded", digest: layer.digest, bytes });
  const wanted = compressionFor(layer, format, compression);
  const path = blobPath(context.paths, layer.digest);
  const isHere = hasBlob(context.paths, layer.digest, layer.sizeBytes);
  if (wanted === undefined) {
    phase("uploading");
    const read = isHere ? readerOf(path) : () => nothing(missing(layer.digest, what));
    const { digest, sizeBytes } = layer;
    phase(await send(work, { digest, sizeBytes, read }, onProgress));
    const mediaType = layerType(format, compressionOf(layer));
    // not even its type is touched where nothing is to be different
    return formatOfLayer(layer) === format ? layer : { ...layer, mediaType };
  }
  if (!isHere) throw missing(layer.digest, what);
  phase("compressing");
  using file = await recompress(context, path, wanted, `layer ${layer.digest}`);
  const { digest, sizeBytes } = file;
  phase("uploading");
  const share = layer.sizeBytes / Math.max(sizeBytes, 1);
  const source = { digest, sizeBytes, read: readerOf(file.path) };
  phase(await send(work, source, (bytes) => onProgress(Math.floor(bytes * share))));
  return { mediaType: layerType(format, wanted.format), digest, sizeBytes };
}

function formatOfLayer({ mediaType }: Descriptor): ImageFormat {
  return mediaType.startsWith("application/vnd.docker.") ? "docker" : "oci";
}

/** Undefined: its blob is sent as it is. */
function compressionFor(
  layer: Descriptor,
  format: ImageFormat,
  compression: PushOptions["compression"],
): Compression | undefined {
  const current = compressionOf(layer);
  if (compression !== undefined && (compression.isForced || compression.format !== current)) {
    return compression;
  }
  return format === "docker" && current === "zstd" ? { format: "gzip" } : undefined;
}

async function send(
  { client, endpoint, what, mounts, context }: Push,
  source: BlobSource,
  onProgress: (bytes: number) => void,
): Promise<LayerPhase> {
  const from = mounts.get(source.digest);
  const result = await pushBlob(client, endpoint, source, {
    ...{ what, signal: context.signal, onProgress },
    ...(from === undefined ? {} : { mountFrom: from }),
  });
  if (result === "uploaded") return "done";
  return result === "mounted" ? "mounted" : "there";
}

async function pushConfig(work: Push, { config }: Manifest): Promise<void> {
  const bytes = Buffer.from(work.record.configText);
  const read = async function* (start: number, end: number): AsyncGenerator<Uint8Array> {
    yield bytes.subarray(start, end);
  };
  await send(work, { digest: config.digest, sizeBytes: bytes.length, read }, () => undefined);
}

/** A registry that does not know one format may know the other. */
async function pushManifest(
  { client, endpoint, what, context, record }: Push,
  original: Manifest,
  {
    manifest,
    tag,
    layers,
    isFormatGiven,
  }: {
    manifest: PushManifest;
    tag: string;
    layers: readonly Descriptor[];
    isFormatGiven: boolean;
  },
): Promise<PushManifest> {
  try {
    await client.pushManifest(endpoint, tag, { ...manifest, what });
    return manifest;
  } catch (error) {
    const isRefused = error instanceof TspodError && error.code === "registry.refused_manifest";
    const hasZstd = layers.some((layer) => compressionOf(layer) === "zstd");
    const format = manifest.mediaType.includes("docker") ? "oci" : "docker";
    if (!isRefused || isFormatGiven || (format === "docker" && hasZstd)) throw error;
    const retyped = layers.map((layer) =>
      isForeign(layer) ? layer : { ...layer, mediaType: layerType(format, compressionOf(layer)) },
    );
    const other = convertManifest(record.manifest, original, { format, layers: retyped });
    await client.pushManifest(endpoint, tag, { ...other, what }).catch(() => {
      throw error; // the first refusal is about what was asked for
    });
    context.warn(
      `${endpoint.registry} takes only ${format === "oci" ? "OCI" : "docker"} manifests`,
    );
    return other;
  }
}

const pieceSizeBytes = 256 * 1024;

export function readerOf(path: string): BlobSource["read"] {
  return async function* (start, end) {
    const descriptor = openSync(path, "r");
    try {
      for (let at = start; at < end;) {
        const piece = new Uint8Array(Math.min(pieceSizeBytes, end - at));
        const length = readSync(descriptor, piece, 0, piece.length, at);
        if (length === 0)
          throw new TspodError("store.corrupt", `Cannot read "${path}": it was cut short`);
        at += length;
        yield piece.subarray(0, length);
      }
    } finally {
      closeSync(descriptor);
    }
  };
}

/** Only a registry that has it already can do without it. */
function missing(digest: Digest, what: string): TspodError {
  return new TspodError(
    "store.corrupt",
    `Cannot push "${what}": its blob ${digest} is missing here`,
    { next: "pull the image again, then push it" },
  );
}

async function* nothing(error: TspodError): AsyncGenerator<Uint8Array> {
  throw error;
}
