/** What is in a registry, without fetching it: tags, referrers, and taking something away. */
import { TspodError } from "../errors.ts";
import {
  type Digest,
  familiarReference,
  parseReference,
  type Reference,
  repositoryName,
} from "../oci/index.ts";
import {
  deleteManifest,
  type Endpoint,
  endpoints,
  listReferrers,
  type Referrer,
  type RegistryClient,
} from "../registry/index.ts";
import { asAsked, openRegistry, type RegistryAccess } from "./access.ts";
import type { ImageContext } from "./context.ts";
import { readRegistryRules } from "./settings.ts";

export type { Referrer } from "../registry/index.ts";

interface Place {
  readonly client: RegistryClient;
  readonly endpoint: Endpoint;
  readonly reference: Reference;
  readonly what: string;
}

/** The registry itself, never a mirror: that may be behind, and nobody deletes in it. */
function placeOf(
  context: ImageContext,
  text: string,
  { access, action }: { access: RegistryAccess; action: string },
): Place {
  const reference = parseReference(text.replace(/^docker:\/\//, ""));
  const origin = endpoints(readRegistryRules(context.environment), reference).at(-1);
  if (origin === undefined) throw new RangeError("no endpoint"); // the origin is always one
  const endpoint = asAsked(origin, access);
  const client = openRegistry(context, access, [`repository:${endpoint.repository}:${action}`]);
  return { client, endpoint, reference, what: familiarReference(reference) };
}

export interface DeletedImage {
  /** "docker.io/library/app:1", or with the digest. */
  readonly name: string;
  readonly digest: Digest;
}

/**
 * Delete a tag, and nothing else; or by digest a manifest and with it every tag it has. `isForced`: the latter also of a
 * tag, in a registry that does not delete tags alone.
 * Throws image.not_found, registry.*; usage when it would be more than was named.
 */
export async function deleteInRegistry(
  context: ImageContext,
  text: string,
  { access, isForced }: { access: RegistryAccess; isForced: boolean },
): Promise<DeletedImage> {
  const place = placeOf(context, text, { access, action: "pull,delete" });
  const { client, endpoint, reference, what } = place;
  const name = repositoryName(reference);
  const tag = reference.tag ?? "latest";
  const digest = reference.digest ?? (await client.fetchManifest(endpoint, tag, what)).digest;
  if (reference.digest === undefined) {
    if (await deleteManifest(client, endpoint, tag, what))
      return { name: `${name}:${tag}`, digest };
    if (!isForced) throw onlyWhole(place, digest);
  }
  if (await deleteManifest(client, endpoint, digest, what)) {
    return { name: `${name}@${digest}`, digest };
  }
  throw new TspodError(
    "registry.failed",
    `Cannot delete "${what}": ${endpoint.registry} does not delete`,
    { next: "ask whoever runs it to allow deletion" },
  );
}

function onlyWhole({ endpoint, reference, what }: Place, digest: Digest): TspodError {
  return new TspodError(
    "usage",
    `Cannot delete the tag "${what}" alone: ${endpoint.registry} deletes only an image with all its tags`,
    {
      next: `tspod registry delete ${repositoryName(reference)}@${digest}, or --force with the tag`,
    },
  );
}

/** Throws image.not_found, registry.*. */
export async function referrersOf(
  context: ImageContext,
  text: string,
  { access, artifactType }: { access: RegistryAccess; artifactType?: string },
): Promise<{ digest: Digest; referrers: Referrer[] }> {
  const { client, endpoint, reference, what } = placeOf(context, text, { access, action: "pull" });
  const { tag = "latest" } = reference;
  const digest = reference.digest ?? (await client.fetchManifest(endpoint, tag, what)).digest;
  const wanted = artifactType === undefined ? { what } : { what, artifactType };
  return { digest, referrers: await listReferrers(client, endpoint, digest, wanted) };
}
