/** Which images registries have: by a word in their names, or all tags of one. Nothing is stored. */
import { TspodError } from "../errors.ts";
import {
  defaultRegistry,
  hasRegistry,
  isRegistry,
  parseReference,
  repositoryName,
} from "../oci/index.ts";
import { endpoints, listTags, type SearchResult, searchRegistry } from "../registry/index.ts";
import { asAsked, openRegistry, type RegistryAccess } from "./access.ts";
import type { ImageContext } from "./context.ts";
import { readRegistryRules, readShortNames } from "./settings.ts";

export interface FoundImage extends SearchResult {
  /** "docker.io". */
  readonly index: string;
}

/** "term" in each registry of the search list, or "registry/term" in that one. Throws registry.*. */
export async function searchImages(
  context: ImageContext,
  text: string,
  { access, limit }: { access: RegistryAccess; limit: number },
): Promise<FoundImage[]> {
  const slash = text.indexOf("/");
  const isNamed = hasRegistry(text) && isRegistry(text.slice(0, slash));
  const term = isNamed ? text.slice(slash + 1) : text;
  const search = readShortNames(context.environment).search ?? [];
  const hosts = isNamed ? [text.slice(0, slash)] : search.length > 0 ? search : [defaultRegistry];
  const client = openRegistry(context, access);
  const found: FoundImage[] = [];
  const errors: unknown[] = [];
  for (const name of hosts) {
    const [registry = ""] = name.split("/");
    try {
      const endpoint = endpointOf(context, registry, access);
      const results = await searchRegistry(client, endpoint, term, limit);
      found.push(...results.map((result) => ({ ...result, index: registry })));
    } catch (error) {
      context.signal.throwIfAborted();
      errors.push(error);
    }
  }
  // one that does not answer keeps nobody from the results of the others
  if (errors.length === hosts.length) throw errors[0];
  for (const error of errors) context.warn((error as Error).message); // thrown above, as errors
  return found;
}

/** "registry/name" and its tags. */
export async function searchTags(
  context: ImageContext,
  text: string,
  { access, limit }: { access: RegistryAccess; limit: number },
): Promise<{ name: string; tags: string[] }> {
  const reference = parseReference(text);
  const name = repositoryName(reference);
  const origin = endpoints(readRegistryRules(context.environment), reference).at(-1);
  if (origin === undefined) throw new RangeError("no endpoint"); // the origin is always one
  const tags = await listTags(openRegistry(context, access), asAsked(origin, access), name);
  if (tags.length > 0) return { name, tags: tags.slice(0, limit) };
  throw new TspodError("image.not_found", `Cannot find any tag of "${name}"`);
}

function endpointOf({ environment }: ImageContext, registry: string, access: RegistryAccess) {
  const origin = endpoints(readRegistryRules(environment), { registry, repository: "" }).at(-1);
  if (origin === undefined) throw new RangeError("no endpoint"); // the origin is always one
  return asAsked({ ...origin, repository: "" }, access);
}
