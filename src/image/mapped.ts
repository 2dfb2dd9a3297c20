/**
 * An image's layers once more, for a container that maps ids otherwise than the store: unpacked from the blobs that are
 * here, side by side as a pull does it, kept beside the layer they are of, and removed with it.
 */
import { chainIds, digestHex, parseManifest } from "../oci/index.ts";
import { TspodError } from "../errors.ts";
import { transact } from "../store/database.ts";
import { listImageRecords, type ImageRecord, type StoredImage } from "../store/images.ts";
import { keepLease } from "../store/leases.ts";
import { hasLayer, layerTree } from "../store/layers.ts";
import { explainWrite, prepareContent } from "../store/content.ts";
import { type ImageContext, type LayerOwners, withSignal } from "./context.ts";
import { ensureLayers, type WantedLayer } from "./layers.ts";

/**
 * The trees of the image's layers with these owners, topmost first, kept there until `kept` ends. What is there already
 * is not unpacked again. Throws image.not_found, store.corrupt when a blob is missing, store.full.
 */
export async function ensureMappedLayers(
  context: ImageContext,
  image: StoredImage,
  { owners, what, kept }: { owners: LayerOwners; what: string; kept: DisposableStack },
): Promise<string[]> {
  const { paths, database } = context;
  const record = keepImage(context, image, what, kept);
  const missing = layersOf(record, what)
    .filter(({ chainId }) => image.layers.includes(chainId))
    .filter(({ chainId }) => !hasLayer(database, chainId, owners.key));
  if (missing.length > 0) {
    const unpacking = { ...withSignal(context, context.signal), owners };
    try {
      prepareContent(paths);
      context.report({ kind: "remapping", reference: what });
      await ensureLayers(unpacking, null, missing, kept, what);
    } catch (error) {
      throw explainWrite(error, paths);
    } finally {
      context.report({ kind: "end" });
    }
  }
  return image.layers.map((chainId) => layerTree(paths, chainId, owners.key));
}

/** Its layers stay until `kept` ends, whatever becomes of the image. */
function keepImage(
  { database }: ImageContext,
  { id }: StoredImage,
  what: string,
  kept: DisposableStack,
): ImageRecord {
  const work = (): ImageRecord | undefined => {
    const [record] = listImageRecords(database, id);
    for (const chainId of record?.layers ?? []) {
      kept.use(keepLease(database, `keep:layer:${chainId}`));
    }
    return record;
  };
  const record = transact(database, work, { durable: false });
  if (record !== undefined) return record;
  throw new TspodError("image.not_found", `Image "${what}" has just been removed`, {
    next: `tspod pull ${what}`,
  });
}

/** Base first. */
function layersOf({ config, manifest: text }: ImageRecord, what: string): WantedLayer[] {
  const manifest = parseManifest(text, { what });
  const descriptors = manifest.kind === "manifest" ? manifest.layers : [];
  return chainIds(config.diffIds).flatMap((chain, i) => {
    const [diffId, descriptor] = [config.diffIds[i], descriptors[i]];
    // pull and the built-in image have made sure that there is one of each
    return diffId && descriptor ? [{ chainId: digestHex(chain), diffId, descriptor }] : [];
  });
}
