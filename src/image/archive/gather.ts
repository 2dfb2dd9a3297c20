/** The images that are to be saved, each once with the names it was asked by, in the format they are to have. */
import {
  type Descriptor,
  type Digest,
  mediaTypes,
  parseManifest,
  parseReference,
} from "../../oci/index.ts";
import type { ImageRecord } from "../../store/images.ts";
import type { ImageContext } from "../context.ts";
import { getImage } from "../find.ts";
import { type ImageFormat, keepBase, typedFor, typesOf, wire } from "../make-image.ts";
import { namesMeant } from "../remove.ts";
import { TspodError } from "../../errors.ts";

export interface SavedImage {
  readonly id: Digest;
  /** As the user called it. */
  readonly what: string;
  /** Canonical, with tags. */
  readonly names: string[];
  readonly configText: string;
  /** Its manifest's bytes: those it came with when they are of the format, others otherwise. */
  readonly manifest: string;
  readonly mediaType: string;
  readonly diffIds: readonly Digest[];
  readonly layers: readonly Descriptor[];
}

/** Their blobs stay until `kept` ends. Errors: image.not_found. */
export function gatherImages(
  context: ImageContext,
  words: readonly string[],
  format: ImageFormat,
  kept: DisposableStack,
): SavedImage[] {
  const images = new Map<Digest, SavedImage>();
  for (const word of words) {
    const { id } = getImage(context, word);
    const record = keepBase(context, id, kept);
    if (record === undefined) {
      throw new TspodError("image.not_found", `Cannot find image "${word}": it was just removed`);
    }
    const image = images.get(id) ?? describe(record, word, format);
    images.set(id, image);
    for (const name of nameAsked(record, word)) {
      if (!image.names.includes(name)) image.names.push(name);
    }
  }
  return [...images.values()];
}

/** An id, or a digest, is no name to load it by. */
function nameAsked(record: ImageRecord, word: string): string[] {
  const names = namesMeant(record, word) ?? [];
  const isDigest = names.length > 0 && parseReference(word).digest !== undefined;
  return isDigest ? [] : names.filter((name) => !name.includes("@"));
}

function describe(record: ImageRecord, what: string, format: ImageFormat): SavedImage {
  const { id, configText, config } = record;
  const parsed = parseManifest(record.manifest, { what });
  if (parsed.kind !== "manifest") throw new RangeError(`${id} has an index for a manifest`);
  const types = typesOf(format);
  const base = { id, what, names: [], configText, diffIds: config.diffIds };
  const isSame =
    parsed.mediaType === types.manifest &&
    parsed.config.mediaType === types.config &&
    parsed.layers.every((layer) => typedFor(layer, format).mediaType === layer.mediaType);
  if (isSame) {
    const { mediaType, layers } = parsed;
    return { ...base, manifest: record.manifest, mediaType, layers };
  }
  const layers = parsed.layers.map((layer) => typedFor(layer, format));
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: types.manifest,
    config: wire({ ...parsed.config, mediaType: types.config }),
    layers: layers.map(wire),
    ...annotationsOf(record.manifest, types.manifest),
  });
  return { ...base, manifest, mediaType: types.manifest, layers };
}

/** Docker's format has none. */
function annotationsOf(manifest: string, mediaType: string): object {
  if (mediaType !== mediaTypes.manifest) return {};
  const { annotations } = JSON.parse(manifest) as { annotations?: unknown }; // parsed when it came into the store
  return annotations === undefined ? {} : { annotations };
}
