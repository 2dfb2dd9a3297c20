/** What a pushed image's manifest is when it is not to be sent as it is: other media types, other layers. Pure. */
import { type Descriptor, digestOf, type Digest, type Manifest, mediaTypes } from "../oci/index.ts";
import type { ImageFormat } from "./make-image.ts";
import type { Compression } from "./recompress.ts";

export interface PushManifest {
  readonly text: string;
  readonly mediaType: string;
  readonly digest: Digest;
}

export function formatOf({ mediaType }: Manifest): ImageFormat {
  return mediaType === mediaTypes.dockerManifest ? "docker" : "oci";
}

/** Of a layer, as far as its media type says. */
export function compressionOf({ mediaType }: Pick<Descriptor, "mediaType">): Compression["format"] {
  if (mediaType.endsWith("gzip")) return "gzip";
  return mediaType.endsWith("zstd") ? "zstd" : "none";
}

/** Not everybody may pass it on: it lies where its publisher has put it (image-spec layer.md, docker's foreign layers). */
export function isForeign({ mediaType, urls = [] }: Descriptor): boolean {
  return urls.length > 0 && /nondistributable|\.foreign\./.test(mediaType);
}

/** A layer's media type in `format`. Docker's has no zstd: the caller sees to that. */
export function layerType(format: ImageFormat, compression: Compression["format"]): string {
  if (format === "docker") {
    const plain = "application/vnd.docker.image.rootfs.diff.tar";
    return compression === "none" ? plain : `${plain}.${compression}`;
  }
  return compression === "none" ? mediaTypes.layer : `${mediaTypes.layer}+${compression}`;
}

/** The manifest with these layers in that format; the very same text when nothing is different. */
export function convertManifest(
  text: string,
  manifest: Manifest,
  { format, layers }: { format: ImageFormat; layers: readonly Descriptor[] },
): PushManifest {
  const isSame =
    format === formatOf(manifest) && layers.every((layer, i) => layer === manifest.layers[i]);
  if (isSame) return { text, mediaType: manifest.mediaType, digest: digestOf(text) };
  const { annotations } = JSON.parse(text) as { annotations?: unknown }; // parsed when it came into the store
  const isDocker = format === "docker";
  const mediaType = isDocker ? mediaTypes.dockerManifest : mediaTypes.manifest;
  const config = {
    mediaType: isDocker ? mediaTypes.dockerConfig : mediaTypes.config,
    digest: manifest.config.digest,
    size: manifest.config.sizeBytes,
  };
  const converted = JSON.stringify({
    ...{ schemaVersion: 2, mediaType, config },
    layers: layers.map(({ digest, sizeBytes, urls, annotations: notes, mediaType: type }) => ({
      ...{ mediaType: type, digest, size: sizeBytes },
      ...(urls === undefined ? {} : { urls }),
      ...(notes === undefined || isDocker ? {} : { annotations: notes }),
    })),
    ...(annotations === undefined || isDocker ? {} : { annotations }),
  });
  return { text: converted, mediaType, digest: digestOf(converted) };
}
