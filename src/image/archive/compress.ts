/** `save --compress`: an image whose plain layers are compressed on their way out. What is kept stays as it is. */
import { type Descriptor, type Digest, parseManifest } from "../../oci/index.ts";
import { blobPath } from "../../store/content.ts";
import type { ImageContext } from "../context.ts";
import { compressionOf, convertManifest, formatOf, layerType } from "../push-manifest.ts";
import { recompress } from "../recompress.ts";
import type { SavedImage } from "./gather.ts";

export interface CompressedImage {
  readonly image: SavedImage;
  /** Where the new blobs are until `kept` ends. */
  readonly files: ReadonlyMap<Digest, string>;
}

/** Its blobs are here. Throws layer.invalid when one is damaged, store.full. */
export async function compressImage(
  context: ImageContext,
  image: SavedImage,
  kept: DisposableStack,
): Promise<CompressedImage> {
  const manifest = parseManifest(image.manifest, { what: image.what });
  if (manifest.kind !== "manifest") throw new RangeError(`${image.id} has an index for a manifest`);
  const format = formatOf(manifest);
  const files = new Map<Digest, string>();
  const layers: Descriptor[] = [];
  for (const layer of manifest.layers) {
    if (compressionOf(layer) !== "none") {
      layers.push(layer);
      continue;
    }
    const path = blobPath(context.paths, layer.digest);
    const file = await recompress(context, path, { format: "gzip" }, `layer ${layer.digest}`);
    kept.use(file);
    files.set(file.digest, file.path);
    const { digest, sizeBytes } = file;
    layers.push({ mediaType: layerType(format, "gzip"), digest, sizeBytes });
  }
  const { text } = convertManifest(image.manifest, manifest, { format, layers });
  return { image: { ...image, manifest: text, layers }, files };
}
