/**
 * An image once more, for a container that maps ids otherwise than the store: made from the unpacked layers, and removed
 * with them. Either a light tree, which has inodes of its own but leaves the content of most files where it is, in the
 * layers; or a copy of each layer.
 */
import { chmodSync, statSync } from "node:fs";
import { join } from "node:path";
import { TspodError } from "../errors.ts";
import { remapLayers, type RemapOptions } from "../helper/index.ts";
import { explainWrite } from "../store/content.ts";
import { transact } from "../store/database.ts";
import { listImageRecords, type StoredImage } from "../store/images.ts";
import { keepLease } from "../store/leases.ts";
import {
  hasLayer,
  layerPath,
  layerTree,
  lightSuffix,
  publishMappedLayer,
  stageLayer,
} from "../store/layers.ts";
import type { Paths } from "../store/paths.ts";
import { shareWork } from "../store/wait.ts";
import type { ImageContext, LayerOwners } from "./context.ts";
import { prepareStore } from "./prepare.ts";
import { sideBySide } from "./side-by-side.ts";
import { discard } from "./unpack.ts";

/** Lower directories of one overlay (OVL_MAX_STACK): the light tree is one of them. */
const overlayLayersMax = 500;

export interface MappedLayers {
  /** Topmost first. */
  layers: string[];
  /** Where files of theirs have their content that have none themselves, topmost first. */
  data?: string[];
}

export interface MappedOptions {
  owners: LayerOwners;
  /** The image as the user named it. */
  what: string;
  kept: DisposableStack;
  /** The mount that is made of them can have content elsewhere. */
  isLight: boolean;
}

/**
 * Trees that together show the image with these owners, kept there until `kept` ends. What is there already is not made
 * again. Throws image.not_found, store.corrupt, store.full.
 */
export async function ensureMappedLayers(
  context: ImageContext,
  image: StoredImage,
  { owners, what, kept, ...options }: MappedOptions,
): Promise<MappedLayers> {
  const { paths, database } = context;
  keepLayers(context, image, what, kept);
  const isLight =
    options.isLight &&
    image.layers.length < overlayLayersMax &&
    mayEnter(paths, image.layers, owners);
  const trees = isLight ? lightTree(context, image, owners) : copies(context, image, owners);
  const missing = trees.filter(({ chainId, key }) => !hasLayer(database, chainId, key));
  if (missing.length > 0) {
    try {
      prepareStore(context);
      context.report({ kind: "remapping", reference: what });
      await sideBySide(context, missing, (inner, tree) => ensureTree(inner, tree, owners));
    } catch (error) {
      throw explainWrite(error, paths);
    } finally {
      context.report({ kind: "end" });
    }
  }
  const layers = trees.map(({ chainId, key }) => layerTree(paths, chainId, key));
  return isLight ? { layers, data: image.layers.map((id) => layerTree(paths, id)) } : { layers };
}

/** A tree to be made. */
interface Tree {
  /** The layer it lies with, and its name there. */
  chainId: string;
  key: string;
  from: RemapOptions["from"];
}

/** One for all layers: the kernel takes content from elsewhere for what is in the lowest layer only. */
function lightTree({ paths }: ImageContext, { layers }: StoredImage, owners: LayerOwners): Tree[] {
  const [top] = layers;
  if (top === undefined) return [];
  const from = { layers: layers.map((chainId) => layerTree(paths, chainId)) };
  return [{ chainId: top, key: owners.key + lightSuffix, from }];
}

function copies({ paths }: ImageContext, { layers }: StoredImage, owners: LayerOwners): Tree[] {
  return layers.map((chainId) => ({
    ...{ chainId, key: owners.key, from: { layer: layerTree(paths, chainId) } },
  }));
}

/** They stay until `kept` ends, whatever becomes of the image. */
function keepLayers(
  { database }: ImageContext,
  { id, layers }: StoredImage,
  what: string,
  kept: DisposableStack,
): void {
  const work = (): boolean => {
    for (const chainId of layers) kept.use(keepLease(database, `keep:layer:${chainId}`));
    return listImageRecords(database, id).length > 0;
  };
  if (transact(database, work, { durable: false })) return;
  throw new TspodError("image.not_found", `Image "${what}" has just been removed`, {
    next: `tspod pull ${what}`,
  });
}

/** Once for all processes that want it at the same time. */
async function ensureTree(
  context: ImageContext,
  { chainId, key, from }: Tree,
  owners: LayerOwners,
): Promise<void> {
  const { database, paths, signal, helper: command, mapping } = context;
  await shareWork<true>(database, signal, {
    resource: `make:layer:${chainId}`,
    directory: paths.layers, // which the finished tree leaves
    find: () => (hasLayer(database, chainId, key) ? true : undefined),
    async make() {
      const stage = stageLayer(paths, chainId);
      try {
        const to = join(stage, "diff");
        await remapLayers({ command, mapping, signal, owners, from, to });
        publishMappedLayer(database, paths, stage, chainId, key);
      } catch (error) {
        await discard(context, stage, chainId);
        throw error;
      }
      return true;
    },
  });
}

/**
 * Container root may go to the layers' trees: it is responsible for what is the caller's, or everybody may, for which
 * their directory is opened. Nobody comes there but through the store's, which is the caller's alone.
 */
function mayEnter(paths: Paths, layers: readonly string[], { uid, gid }: LayerOwners): boolean {
  if ([uid, gid].every((lines) => lines.some(({ hostID }) => hostID === 0))) return true;
  const othersMayEnter = 0o001;
  chmodSync(paths.layers, 0o711);
  return layers.every((id) => (statSync(layerPath(paths, id)).mode & othersMayEnter) !== 0);
}
