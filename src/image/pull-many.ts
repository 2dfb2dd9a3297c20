/** Several images by one name: every tag of a repository, every platform of a tag. Each is pulled as if it were named alone. */
import { TspodError } from "../errors.ts";
import {
  familiarReference,
  formatPlatform,
  isManifestType,
  parseManifest,
  type Reference,
  repositoryName,
} from "../oci/index.ts";
import { endpoints, listTags } from "../registry/index.ts";
import { asAsked, openRegistry, type RegistryAccess } from "./access.ts";
import type { ImageContext } from "./context.ts";
import { readRegistryRules, referencesOf, requireAllowed } from "./settings.ts";
import { findSource } from "./source.ts";

export interface NamedPull {
  /** What `pullImage` takes. */
  readonly name: string;
  readonly platform?: string;
}

/** The tags that the registry has now. Throws image.not_found, registry.*. */
export async function namesOfTags(
  context: ImageContext,
  text: string,
  access: RegistryAccess = {},
): Promise<NamedPull[]> {
  const reference = firstOf(context, text);
  requireAllowed(context.environment, reference);
  const name = repositoryName(reference);
  const tags = await tagsOf(context, reference, access);
  if (tags.length > 0) return tags.map((tag) => ({ name: `${name}:${tag}` }));
  throw new TspodError("image.not_found", `Cannot find any tag of "${name}"`, {
    next: "check the name",
  });
}

/**
 * The images of an index for Linux, by their digests, and last the tag itself, for this machine; only the tag when it
 * stands for one image.
 */
export async function namesOfPlatforms(
  context: ImageContext,
  text: string,
  access: RegistryAccess = {},
): Promise<NamedPull[]> {
  const reference = firstOf(context, text);
  requireAllowed(context.environment, reference);
  const what = familiarReference(reference);
  const { top } = await findSource(context, reference, what, access);
  const parsed = parseManifest(top.text, { what, contentType: top.contentType });
  if (parsed.kind === "manifest") return [{ name: text }];
  const name = repositoryName(reference);
  const images = parsed.manifests.flatMap(({ platform, digest, mediaType }) =>
    platform?.os === "linux" && isManifestType(mediaType)
      ? [{ name: `${name}@${digest}`, platform: formatPlatform(platform) }]
      : [],
  );
  return [...images, { name: text }];
}

/** Of the first that answers: mirrors in their order, then the registry itself. */
async function tagsOf(
  context: ImageContext,
  reference: Reference,
  access: RegistryAccess,
): Promise<string[]> {
  const client = openRegistry(context, access);
  let failure: unknown;
  for (const endpoint of endpoints(readRegistryRules(context.environment), reference)) {
    try {
      return await listTags(client, asAsked(endpoint, access), repositoryName(reference));
    } catch (error) {
      context.signal.throwIfAborted();
      failure = error;
    }
  }
  throw failure;
}

function firstOf({ environment }: ImageContext, text: string): Reference {
  const [reference] = referencesOf(environment, text);
  if (reference === undefined) throw new RangeError("no reference"); // there is always one
  return reference;
}
