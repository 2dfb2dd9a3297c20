/** Image manifests and indexes (image-spec manifest.md, image-index.md; Docker's schema 2). Schema 1 is refused. */
import { TspodError } from "../errors.ts";
import { type Descriptor, parseDescriptor } from "./descriptor.ts";
import {
  isConfigType,
  isIndexType,
  isLayerType,
  isManifestType,
  isSchema1Type,
  mediaTypes,
} from "./media-types.ts";
import {
  asArray,
  asObject,
  type JsonObject,
  optionalString,
  parseJson,
  type Place,
} from "./narrow.ts";
import { formatPlatform, type Platform, platformRank } from "./platform.ts";

export interface Manifest {
  readonly kind: "manifest";
  readonly mediaType: string;
  readonly config: Descriptor;
  /** Base first. */
  readonly layers: readonly Descriptor[];
}

export interface Index {
  readonly kind: "index";
  readonly mediaType: string;
  readonly manifests: readonly Descriptor[];
}

/** distribution-spec "Pushing Manifests": registries should accept 4 MiB; nobody needs more. */
export const manifestSizeBytesMax = 4 * 1024 * 1024;
/** What docker and containers/storage build at most; overlayfs takes 500 lower directories. */
export const layerCountMax = 127;
/** Large multi-platform indexes have some dozens, with attestations. */
const indexCountMax = 1_000;

/**
 * Parse a manifest or an index. `contentType` is what the registry said, used when the document is silent.
 * Throws image.invalid, digest.invalid; the message names `what` ("manifest of alpine:latest").
 */
export function parseManifest(
  text: string,
  { what, contentType = "" }: { what: string; contentType?: string },
): Manifest | Index {
  const place: Place = `the manifest of ${what}`;
  const object = asObject(parseJson(text, place), place);
  const declared = optionalString(object.mediaType, `${place}: mediaType`);
  const mediaType = declared || contentType.split(";")[0]?.trim() || "";
  refuseOld(object, mediaType, what);
  // CVE-2021-41190: a document that is both a manifest and an index means two things to two readers
  if (
    object.manifests !== undefined &&
    (object.layers !== undefined || object.config !== undefined)
  ) {
    throw new TspodError(
      "image.invalid",
      `Cannot use ${place}: it is a manifest and an index at once`,
    );
  }
  if (object.manifests !== undefined && !isManifestType(declared ?? "")) {
    return parseIndex(object, isIndexType(mediaType) ? mediaType : mediaTypes.index, place);
  }
  if (object.layers !== undefined && !isIndexType(declared ?? "")) {
    return parseImageManifest(
      object,
      isManifestType(mediaType) ? mediaType : mediaTypes.manifest,
      place,
    );
  }
  throw new TspodError(
    "image.invalid",
    `Cannot use ${place}: it is neither a manifest nor an index`,
  );
}

function refuseOld(object: JsonObject, mediaType: string, what: string): void {
  if (object.schemaVersion === 2) return;
  if (object.schemaVersion === 1 || isSchema1Type(mediaType)) {
    throw new TspodError(
      "image.invalid",
      `Cannot use ${what}: its manifest is schema 1, out of use since 2017`,
      {
        next: "ask its publisher to push it again with a current tool",
      },
    );
  }
  throw new TspodError(
    "image.invalid",
    `Cannot use the manifest of ${what}: its schemaVersion is not 2`,
  );
}

function parseIndex(object: JsonObject, mediaType: string, place: Place): Index {
  const manifests = asArray(object.manifests, `${place}: manifests`, indexCountMax).map((item, i) =>
    parseDescriptor(item, `${place}: manifests[${i}]`),
  );
  return { kind: "index", mediaType, manifests };
}

function parseImageManifest(object: JsonObject, mediaType: string, place: Place): Manifest {
  const config = parseDescriptor(object.config, `${place}: config`);
  const layers = asArray(object.layers, `${place}: layers`, layerCountMax).map((item, i) =>
    parseDescriptor(item, `${place}: layers[${i}]`),
  );
  const foreign = [...layers.filter(({ mediaType: type }) => !isLayerType(type))];
  if (!isConfigType(config.mediaType)) foreign.unshift(config);
  const [first] = foreign;
  if (first !== undefined) {
    throw new TspodError(
      "image.invalid",
      `Cannot use ${place}: it holds ${JSON.stringify(first.mediaType.slice(0, 100))}, which is not part of an image`,
    );
  }
  return { kind: "manifest", mediaType, config, layers };
}

/**
 * The manifest of an index for `wanted`, the best match first; one that names no platform is taken last.
 * Throws image.no_platform, listing what there is.
 */
export function selectManifest(index: Index, wanted: Platform, what: string): Descriptor {
  const images = index.manifests.filter(
    ({ mediaType }) => isManifestType(mediaType) || isIndexType(mediaType),
  );
  const ranked = images
    .map((descriptor) => ({
      descriptor,
      rank:
        descriptor.platform === undefined ? Infinity : platformRank(wanted, descriptor.platform),
    }))
    .filter(({ rank }) => rank >= 0)
    .sort((a, b) => a.rank - b.rank);
  const best = ranked[0]?.descriptor;
  if (best !== undefined) return best;
  throw noPlatform(
    what,
    wanted,
    images.flatMap(({ platform }) => platform ?? []),
  );
}

const platformsShownMax = 12;

export function noPlatform(
  what: string,
  wanted: Platform,
  offered: readonly Platform[],
): TspodError {
  const names = [...new Set(offered.map(formatPlatform))].filter(
    (name) => !name.startsWith("unknown/"),
  );
  const shown =
    names.slice(0, platformsShownMax).join(", ") +
    (names.length > platformsShownMax ? ", ..." : "");
  return new TspodError(
    "image.no_platform",
    `Cannot use "${what}": it has no image for ${formatPlatform(wanted)}`,
    {
      next: shown === "" ? "choose another tag" : `choose one it has with --platform: ${shown}`,
    },
  );
}
