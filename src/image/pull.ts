/** From a name to an image in the store: resolve, fetch what is missing, unpack it, record it. */
import { readFileSync } from "node:fs";
import { TspodError } from "../errors.ts";
import {
  chainIds,
  type Descriptor,
  digestHex,
  familiarReference,
  formatPlatform,
  formatReference,
  hostPlatform,
  type ImageConfig,
  imageConfigSizeBytesMax,
  matchesPlatform,
  noPlatform,
  parseImageConfig,
  parsePlatform,
  type Platform,
  type Reference,
} from "../oci/index.ts";
import { resolveShortName } from "../registry/index.ts";
import { blobPath, explainWrite } from "../store/content.ts";
import { recordEvent } from "../store/events.ts";
import { insertImage } from "../store/image-writes.ts";
import { findImageByName, listImageRecords, type StoredImage } from "../store/images.ts";
import { ensureBlob, keepBytes } from "./blob.ts";
import type { ImageContext } from "./context.ts";
import { ensureLayers, type WantedLayer } from "./layers.ts";
import type { RegistryAccess } from "./access.ts";
import { prepareStore } from "./prepare.ts";
import { readShortNames, requireAllowed } from "./settings.ts";
import { findSource, type ResolvedManifest, resolveManifest, type Source } from "./source.ts";

export interface PullOptions {
  /** "linux/arm64"; the host's by default. */
  platform?: string;
  access?: RegistryAccess;
}

/**
 * Fetch `text` whatever is here; what is here already is not fetched again. Idempotent, and safe to kill anywhere.
 * Throws reference.invalid, image.not_found, image.no_platform, image.invalid, layer.invalid, registry.*, store.*.
 */
export async function pullImage(
  context: ImageContext,
  text: string,
  { platform, access = {} }: PullOptions = {},
): Promise<StoredImage> {
  const references = resolveShortName(readShortNames(context.environment), text);
  const wanted = platform === undefined ? undefined : parsePlatform(platform);
  const errors: unknown[] = [];
  try {
    prepareStore(context);
    for (const reference of references) {
      try {
        requireAllowed(context.environment, reference);
        context.report({ kind: "resolving", reference: formatReference(reference) });
        return await pull(context, reference, { wanted, access });
      } catch (error) {
        // a name without a registry may be in any of the search list's
        if (references.length === 1 || !isElsewhere(error)) throw error;
        errors.push(error);
      }
    }
    throw nowhere(text, errors);
  } catch (error) {
    throw explainWrite(error, context.paths);
  } finally {
    context.report({ kind: "end" });
  }
}

function isElsewhere(error: unknown): boolean {
  const codes = ["image.not_found", "registry.unauthorized", "registry.unreachable"];
  return error instanceof TspodError && codes.includes(error.code);
}

function nowhere(text: string, errors: readonly unknown[]): TspodError {
  const reasons = errors.map((error) => (error as Error).message).join("; "); // each was seen to be one
  return new TspodError("image.not_found", `Cannot find "${text}" anywhere: ${reasons}`, {
    next: "name the registry, or see unqualified-search-registries in registries.conf",
  });
}

async function pull(
  context: ImageContext,
  reference: Reference,
  { wanted, access }: { wanted: Platform | undefined; access: RegistryAccess },
): Promise<StoredImage> {
  const what = familiarReference(reference);
  const source = await findSource(context, reference, what, access);
  const name = formatReference(reference);
  const present = findPresent(context, name, source, wanted ?? hostPlatform());
  if (present !== undefined) return present;
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
    throw new TspodError("image.not_found", `Cannot find "${what}": it was just removed`);
  return image;
}

/** The name stands for the same bytes as when it was pulled: nothing more need be asked. */
function findPresent(
  { database }: ImageContext,
  name: string,
  { top }: Source,
  wanted: Platform,
): StoredImage | undefined {
  const image = findImageByName(database, [name]);
  if (image === undefined || !matchesPlatform(wanted, image.config.platform)) return undefined;
  if (image.digest === top.digest) return image;
  const [record] = listImageRecords(database, image.id);
  return record?.manifestDigest === top.digest ? image : undefined;
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
