/** An image made here: from a layer, a config and, mostly, an image below. commit, import and build end here. */
import { TspodError } from "../errors.ts";
import {
  chainIds,
  type Descriptor,
  type Digest,
  digestHex,
  digestOf,
  formatReference,
  hasRegistry,
  hostPlatform,
  layerCountMax,
  mediaTypes,
  parseImageConfig,
  parseManifest,
  parseReference,
  type Platform,
} from "../oci/index.ts";
import type { JsonObject } from "../oci/narrow.ts";
import { transact } from "../store/database.ts";
import { recordEvent } from "../store/events.ts";
import { insertImage } from "../store/image-writes.ts";
import { type ImageRecord, listImageRecords } from "../store/images.ts";
import { keepLease } from "../store/leases.ts";
import { keepBytes } from "./blob.ts";
import type { ImageContext } from "./context.ts";
import type { MadeLayer } from "./make-layer.ts";

export type ImageFormat = "oci" | "docker";

export interface NewImageOptions {
  /** The layers below; absent: none. */
  base?: ImageRecord;
  /** Without a base; absent: this machine's. */
  platform?: Platform;
  /** The `config` object of the image's config. */
  config: JsonObject;
  layer: MadeLayer;
  /** Null: it gets no name. */
  name: string | null;
  format: ImageFormat;
  author: string;
  /** Of its history. */
  comment: string;
  createdBy: string;
  /** RFC 3339. */
  created: string;
  /** For the event: "commit", "import". */
  how: string;
}

/** Its id. `kept` holds leases on the layer until the image does. Errors: image.invalid when it has too many layers. */
export async function makeImage(
  context: ImageContext,
  options: NewImageOptions,
  kept: DisposableStack,
): Promise<Digest> {
  const { base, layer, format, created, author } = options;
  const below = base === undefined ? { object: {}, layers: [] } : readBase(base, format);
  if (below.layers.length >= layerCountMax) {
    throw new TspodError(
      "image.invalid",
      `The image would have more than ${layerCountMax} layers`,
      {
        next: "--squash makes one of them",
      },
    );
  }
  const { object } = below;
  const diffIds = [...(base?.config.diffIds ?? []), layer.diffId];
  const configText = JSON.stringify({
    ...(options.platform ?? hostPlatform()),
    ...object,
    created,
    ...(author === "" ? {} : { author }),
    config: options.config,
    rootfs: { type: "layers", diff_ids: diffIds },
    history: [...historyOf(object), newHistory(options)],
  });
  const layers = [...below.layers, typedFor(layer.descriptor, format)];
  const types = typesOf(format);
  const id = digestOf(configText);
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: types.manifest,
    config: wire({ mediaType: types.config, digest: id, sizeBytes: Buffer.byteLength(configText) }),
    layers: layers.map(wire),
  });
  for (const bytes of [configText, manifest]) kept.use(await keepBytes(context, bytes));
  const reference = options.name === null ? undefined : localName(options.name);
  insertImage(context.database, {
    ...{ id, manifest, configText },
    manifestDigest: digestOf(manifest),
    config: parseImageConfig(configText, options.name ?? id),
    layers: chainIds(diffIds).map((chain, i) => ({
      chainId: digestHex(chain),
      blobDigest: layers[i]?.digest ?? layer.descriptor.digest,
    })),
    name: reference === undefined ? undefined : { reference, digest: "" },
    pulledAt: new Date().toISOString(),
  });
  recordEvent(context, { type: "image", status: options.how, id, name: reference ?? "" });
  return id;
}

/** "web" is localhost/web:latest, as podman has it: nobody's registry is asked for what was made here. */
export function localName(text: string): string {
  const reference = parseReference(hasRegistry(text) ? text : `localhost/${text}`);
  if (reference.digest === undefined) return formatReference(reference);
  throw new TspodError(
    "reference.invalid",
    `Cannot name an image "${text}": a digest is not given, but found`,
    {
      next: "use NAME or NAME:TAG",
    },
  );
}

/** The image's record; its layers and blobs stay until `kept` ends, whatever becomes of it. */
export function keepBase(
  { database }: ImageContext,
  id: string,
  kept: DisposableStack,
): ImageRecord | undefined {
  const work = (): ImageRecord | undefined => {
    const [record] = listImageRecords(database, id as Digest); // what a container's row says it stands on
    if (record === undefined) return undefined;
    for (const chain of chainIds(record.config.diffIds)) {
      kept.use(keepLease(database, `keep:layer:${digestHex(chain)}`));
    }
    const manifest = parseManifest(record.manifest, { what: id });
    for (const { digest } of manifest.kind === "manifest" ? manifest.layers : []) {
      kept.use(keepLease(database, `keep:blob:${digestHex(digest)}`));
    }
    return record;
  };
  return transact(database, work, { durable: false });
}

/** SOURCE_DATE_EPOCH (reproducible-builds.org) or now. */
export function creationTime(environment: ImageContext["environment"], now: string): string {
  const seconds = environment.SOURCE_DATE_EPOCH ?? "";
  return /^\d{1,12}$/.test(seconds) ? new Date(Number(seconds) * 1000).toISOString() : now;
}

const ociTypes = { manifest: mediaTypes.manifest, config: mediaTypes.config };
const dockerTypes = { manifest: mediaTypes.dockerManifest, config: mediaTypes.dockerConfig };

export const typesOf = (format: ImageFormat): typeof ociTypes | typeof dockerTypes =>
  format === "docker" ? dockerTypes : ociTypes;

function readBase(
  base: ImageRecord,
  format: ImageFormat,
): { object: JsonObject; layers: Descriptor[] } {
  const manifest = parseManifest(base.manifest, { what: base.reference });
  const layers = manifest.kind === "manifest" ? manifest.layers : [];
  const object = JSON.parse(base.configText) as JsonObject; // parsed when it came into the store
  return { object, layers: layers.map((layer) => typedFor(layer, format)) };
}

/** The same bytes under the name that the format has for them. */
export function typedFor(descriptor: Descriptor, format: ImageFormat): Descriptor {
  const { mediaType } = descriptor;
  const compression = /[.+](gzip|zstd)$/.exec(mediaType)?.[1];
  const plain =
    format === "docker" ? "application/vnd.docker.image.rootfs.diff.tar" : mediaTypes.layer;
  const separator = format === "docker" ? "." : "+";
  const suffix = compression === undefined ? "" : `${separator}${compression}`;
  return { ...descriptor, mediaType: `${plain}${suffix}` };
}

function historyOf({ history }: JsonObject): unknown[] {
  return Array.isArray(history) ? (history as unknown[]) : [];
}

function newHistory({ created, createdBy, author, comment }: NewImageOptions): JsonObject {
  return {
    created,
    created_by: createdBy,
    ...(author === "" ? {} : { author }),
    ...(comment === "" ? {} : { comment }),
  };
}

/** As the specification spells it. */
export function wire({ mediaType, digest, sizeBytes }: Descriptor): object {
  return { mediaType, digest, size: sizeBytes };
}
