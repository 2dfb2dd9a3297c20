/** From a name to an image in the store: what the registry has under it, found here or fetched (fetch-image.ts). */
import { TspodError } from "../errors.ts";
import {
  familiarReference,
  formatReference,
  hostPlatform,
  matchesPlatform,
  parsePlatform,
  type Platform,
  type Reference,
} from "../oci/index.ts";
import { explainWrite } from "../store/content.ts";
import { findImageByName, listImageRecords, type StoredImage } from "../store/images.ts";
import type { RegistryAccess } from "./access.ts";
import type { ImageContext } from "./context.ts";
import { referencesOf, requireAllowed } from "./settings.ts";
import { findSource, type Source } from "./source.ts";

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
  const references = referencesOf(context.environment, text);
  const wanted = platform === undefined ? undefined : parsePlatform(platform);
  const errors: unknown[] = [];
  try {
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
  const { fetchImage } = await import("./fetch-image.ts");
  return fetchImage(context, source, { name, wanted, what });
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
