/** Which registry answers for a reference, and which manifest of its answer is for a platform. */
import { TspodError } from "../errors.ts";
import {
  type Digest,
  type Manifest,
  parseManifest,
  type Platform,
  type Reference,
  selectManifest,
} from "../oci/index.ts";
import {
  type Endpoint,
  endpoints,
  type FetchedManifest,
  type RegistryClient,
} from "../registry/index.ts";
import { asAsked, openRegistry, type RegistryAccess } from "./access.ts";
import type { ImageContext } from "./context.ts";
import { readRegistryRules } from "./settings.ts";

/** A registry that has the reference, and what it said first. */
export interface Source {
  readonly client: RegistryClient;
  readonly endpoint: Endpoint;
  /** The index or manifest the name stands for. */
  readonly top: FetchedManifest;
}

/** Mirrors in their order, then the registry itself. Throws the error that tells the user most. */
export async function findSource(
  context: ImageContext,
  reference: Reference,
  what: string,
  access: RegistryAccess = {},
): Promise<Source> {
  const client = openRegistry(context, access);
  const errors: unknown[] = [];
  for (const found of endpoints(readRegistryRules(context.environment), reference)) {
    const endpoint = asAsked(found, access);
    try {
      const wanted = reference.digest ?? reference.tag ?? "latest";
      return { client, endpoint, top: await client.fetchManifest(endpoint, wanted, what) };
    } catch (error) {
      context.signal.throwIfAborted();
      errors.push(error);
    }
  }
  throw mostTelling(errors);
}

/** A mirror's "not found" says more than an origin that cannot be reached from here. */
function mostTelling(errors: readonly unknown[]): unknown {
  const isAnswer = (error: unknown): boolean =>
    error instanceof TspodError && error.code !== "registry.unreachable";
  return errors.findLast(isAnswer) ?? errors.at(-1);
}

export interface ResolvedManifest {
  readonly manifest: Manifest;
  readonly text: string;
  readonly digest: Digest;
}

/** An index may name indexes: one level of them is seen in the wild. */
const indexDepthMax = 2;

/** Down through indexes to one platform's manifest. Throws image.no_platform, image.invalid. */
export async function resolveManifest(
  { client, endpoint, top }: Source,
  wanted: Platform,
  what: string,
): Promise<ResolvedManifest> {
  let fetched = top;
  for (let depth = 0; depth <= indexDepthMax; depth++) {
    const parsed = parseManifest(fetched.text, { what, contentType: fetched.contentType });
    if (parsed.kind === "manifest") {
      return { manifest: parsed, text: fetched.text, digest: fetched.digest };
    }
    const { digest } = selectManifest(parsed, wanted, what);
    fetched = await client.fetchManifest(endpoint, digest, what);
  }
  throw new TspodError(
    "image.invalid",
    `Cannot use "${what}": its index names indexes without end`,
  );
}
