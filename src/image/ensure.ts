/** `run`'s way to an image: present is one database read, missing is a pull. */
import { TspodError } from "../errors.ts";
import {
  formatPlatform,
  formatReference,
  hasRegistry,
  hostPlatform,
  isImageId,
  matchesPlatform,
  parsePlatform,
  parseReference,
} from "../oci/index.ts";
import type { StoredImage } from "../store/images.ts";
import type { RegistryAccess } from "./access.ts";
import type { ImageContext } from "./context.ts";
import { builtinName, candidates, findImage } from "./find.ts";

/** `newer`: ask the registry, but go on with what is here when it cannot be asked. */
export type PullPolicy = "missing" | "always" | "never" | "newer";

export interface EnsureOptions {
  /** "linux/arm64": must match; without it the host's is wanted and another one is only warned about. */
  platform?: string;
  pull?: PullPolicy;
  access?: RegistryAccess;
}

/**
 * The image `text` names, pulled when the policy says so.
 * Throws image.not_found, usage, and whatever a pull throws.
 */
export async function ensureImage(
  context: ImageContext,
  text: string,
  { platform, pull = "missing", access = {} }: EnsureOptions = {},
): Promise<StoredImage> {
  const wanted = platform === undefined ? undefined : parsePlatform(platform);
  const found = findImage(context, text) ?? (await findElsewhere(context, text));
  const isFit =
    found !== undefined && (wanted === undefined || matchesPlatform(wanted, found.config.platform));
  if (isFit && (pull === "missing" || pull === "never" || isLocal(found))) {
    if (wanted === undefined) warnOfForeign(context, found, text);
    return found;
  }
  const builtin = found === undefined && (await findBuiltin(context, text));
  if (builtin) return builtin;
  if (pull === "never") {
    const which = wanted === undefined ? "" : ` for ${formatPlatform(wanted)}`;
    throw new TspodError(
      "image.not_found",
      `Cannot find image "${text}"${which} here, and --pull=never forbids to fetch it`,
      {
        next: `tspod pull ${text}`,
      },
    );
  }
  const { pullImage } = await import("./pull.ts");
  try {
    return await pullImage(context, text, {
      access,
      ...(platform === undefined ? {} : { platform }),
    });
  } catch (error) {
    if (pull !== "newer" || !isFit || context.signal.aborted) throw error;
    context.warn(
      `Cannot ask for a newer "${text}", using the one here: ${(error as Error).message}`,
    );
    return found;
  }
}

/** A name without a registry that is here as what registries.conf makes of it: read only when the name is not here. */
async function findElsewhere(context: ImageContext, text: string) {
  if (isImageId(text) || hasRegistry(text)) return undefined;
  const { referencesOf } = await import("./settings.ts");
  for (const reference of referencesOf(context.environment, text)) {
    const found = findImage(context, formatReference(reference));
    if (found !== undefined) return found;
  }
  return undefined;
}

/** "hello", until somebody pulls another image of that name. */
async function findBuiltin(context: ImageContext, text: string): Promise<StoredImage | undefined> {
  if (context.builtinProgram === undefined) return undefined;
  if (!candidates(text, parseReference(text)).includes(builtinName)) return undefined;
  const { ensureBuiltin } = await import("./builtin.ts");
  return ensureBuiltin(context, await context.builtinProgram());
}

/** Built or carried here: there is no registry to ask. */
function isLocal({ reference }: StoredImage): boolean {
  return reference === "" || parseReference(reference).registry === "localhost";
}

function warnOfForeign(context: ImageContext, image: StoredImage, text: string): void {
  const host = hostPlatform();
  if (image.config.platform.architecture === "" || matchesPlatform(host, image.config.platform))
    return;
  context.warn(
    `Image "${text}" is for ${formatPlatform(image.config.platform)}, this machine is ${formatPlatform(host)}`,
  );
}
