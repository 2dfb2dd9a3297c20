/**
 * An image that is not here as its registry has it: what is missing fetched, unpacked and recorded. Loaded only then: a
 * pull of what is present needs none of it.
 */
import { readFileSync } from "node:fs";
import { TspodError } from "../errors.ts";
import {
  chainIds,
  type Descriptor,
  digestHex,
  formatPlatform,
  hostPlatform,
  type ImageConfig,
  imageConfigSizeBytesMax,
  matchesPlatform,
  noPlatform,
  parseImageConfig,
  type Platform,
} from "../oci/index.ts";
import { blobPath } from "../store/content.ts";
import { recordEvent } from "../store/events.ts";
import { insertImage } from "../store/image-writes.ts";
import { findImageByName, type StoredImage } from "../store/images.ts";
import { ensureBlob, keepBytes } from "./blob.ts";
import type { ImageContext } from "./context.ts";
import { ensureLayers, type WantedLayer } from "./layers.ts";
import { prepareStore } from "./prepare.ts";
import { type ResolvedManifest, resolveManifest, type Source } from "./source.ts";

export interface WantedImage {
  /** The whole reference: what it is recorded under. */
  readonly name: string;
  /** Absent: the host's, and what is for another is only warned of. */
  readonly wanted: Platform | undefined;
  /** "alpine:latest": for errors. */
  readonly what: string;
}

/** Throws what `pullImage` throws. */
export async function fetchImage(
  context: ImageContext,
  source: Source,
  { name, wanted, what }: WantedImage,
): Promise<StoredImage> {
  prepareStore(context);
  using kept = new DisposableStack();
  const resolved = await resolveManifest(source, wanted ?? hostPlatform(), what);
  const { config, text: configText } = await fetchConfig(context, source, resolved, kept, what);
  checkPlatform(context, config, wanted, what);
  const layers = layersOf(resolved, config, what);
  await ensureLayers(context, source, layers, kept, what);
  insertImage(context.database, {
    id: resolved.manifest.config.digest,
    manifestDigest: resolved.digest,
    manifest: resolved.text,
    configText,
    config,
    layers: layers.map(({ chainId, descriptor }) => ({ chainId, blobDigest: descriptor.digest })),
    name: { reference: name, digest: source.top.digest },
    pulledAt: new Date().toISOString(),
  });
  recordEvent(context, {
    type: "image",
    status: "pull",
    id: resolved.manifest.config.digest,
    name,
  });
  const image = findImageByName(context.database, [name]);
  if (image === undefined)
    throw new TspodError("image.not_found", `Image "${what}" has just been removed again`, {
      next: `tspod pull ${what}`,
    });
  return image;
}

async function fetchConfig(
  context: ImageContext,
  source: Source,
  { manifest, text: manifestText }: ResolvedManifest,
  kept: DisposableStack,
  what: string,
): Promise<{ config: ImageConfig; text: string }> {
  if (manifest.config.sizeBytes > imageConfigSizeBytesMax) {
    throw new TspodError(
      "registry.too_large",
      `Cannot use "${what}": its config has ${manifest.config.sizeBytes} bytes, more than ${imageConfigSizeBytesMax}`,
    );
  }
  kept.use(await keepBytes(context, manifestText));
  kept.use(await ensureBlob(context, source, { descriptor: manifest.config, what }));
  const text = readFileSync(blobPath(context.paths, manifest.config.digest), "utf8");
  return { config: parseImageConfig(text, what), text };
}

/** An index said what it is; a lone manifest only tells in its config. Asked for and wrong is refused. */
function checkPlatform(
  context: ImageContext,
  { platform }: ImageConfig,
  wanted: Platform | undefined,
  what: string,
): void {
  if (platform.architecture === "" || matchesPlatform(wanted ?? hostPlatform(), platform)) return;
  if (wanted !== undefined) throw noPlatform(what, wanted, [platform]);
  context.warn(
    `Image "${what}" is for ${formatPlatform(platform)}, this machine is ${formatPlatform(hostPlatform())}`,
  );
}

function layersOf(
  { manifest }: ResolvedManifest,
  config: ImageConfig,
  what: string,
): WantedLayer[] {
  const { diffIds } = config;
  if (diffIds.length !== manifest.layers.length) {
    throw new TspodError(
      "image.invalid",
      `Cannot use "${what}": its manifest has ${manifest.layers.length} layers, its config ${diffIds.length}`,
    );
  }
  return chainIds(diffIds).map((chain, i) => ({
    chainId: digestHex(chain),
    diffId: at(diffIds, i),
    descriptor: at<Descriptor>(manifest.layers, i),
  }));
}

/** Both lists have the length just compared. */
function at<T>(list: readonly T[], i: number): T {
  const item = list[i];
  if (item === undefined) throw new RangeError(`no item ${i}`);
  return item;
}
