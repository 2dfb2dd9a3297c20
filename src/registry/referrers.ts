/**
 * What refers to a manifest: signatures, SBOMs, attestations (distribution-spec 1.1, "Listing Referrers"), by the API, or
 * where a registry has none by the index under the tag "sha256-<hex>".
 */
import { TspodError } from "../errors.ts";
import { type Descriptor, type Digest, mediaTypes, parseDescriptor } from "../oci/index.ts";
import { asArray, asObject, optionalString, parseJson } from "../oci/narrow.ts";
import type { Answer } from "./body.ts";
import type { RegistryClient } from "./client.ts";
import { responseError } from "./errors.ts";
import { nextPage } from "./pages.ts";
import type { Endpoint } from "./registries-conf.ts";

export interface Referrer extends Descriptor {
  /** "" when nobody says. */
  readonly artifactType: string;
}

const pageBytesMax = 4 * 1024 * 1024;
const pageCountMax = 100;
const referrerCountMax = 10_000;

/** In the registry's order; of one type, or of all. Throws registry.*, image.invalid. */
export async function listReferrers(
  client: RegistryClient,
  endpoint: Endpoint,
  digest: Digest,
  { what, artifactType }: { what: string; artifactType?: string },
): Promise<Referrer[]> {
  const query = artifactType === undefined ? "" : `?${new URLSearchParams({ artifactType })}`;
  const first = `/v2/${endpoint.repository}/referrers/${digest}${query}`;
  const found = await readPages(client, endpoint, first, what);
  const all = found ?? (await readTag(client, endpoint, digest, what));
  // a registry need not filter, and says so only in a header
  return artifactType === undefined ? all : all.filter((one) => one.artifactType === artifactType);
}

/** Undefined: it does not know the API. */
async function readPages(
  client: RegistryClient,
  endpoint: Endpoint,
  first: string,
  what: string,
): Promise<Referrer[] | undefined> {
  const failing = { what, registry: endpoint.registry };
  const headers = { accept: mediaTypes.index };
  const found: Referrer[] = [];
  let path: string | undefined = first;
  for (let page = 0; path !== undefined && page < pageCountMax; page++) {
    const answer: Answer = await client.ask(endpoint, { path, headers, failing }, pageBytesMax);
    const { response, text } = answer;
    if (page === 0 && [400, 404, 405, 501].includes(response.status)) return undefined;
    if (!response.ok) throw responseError(failing, { status: response.status, body: text });
    found.push(...parseReferrers(text, what));
    if (found.length > referrerCountMax) throw tooMany(what);
    path = nextPage(response, endpoint, path);
  }
  return found;
}

/** "Referrers Tag Schema": none is no error. */
async function readTag(
  client: RegistryClient,
  endpoint: Endpoint,
  digest: Digest,
  what: string,
): Promise<Referrer[]> {
  try {
    const { text } = await client.fetchManifest(endpoint, digest.replace(":", "-"), what);
    return parseReferrers(text, what);
  } catch (error) {
    if (error instanceof TspodError && error.code === "image.not_found") return [];
    throw error;
  }
}

function parseReferrers(text: string, what: string): Referrer[] {
  const place = `the referrers of ${what}`;
  const object = asObject(parseJson(text, place), place);
  return asArray(object.manifests ?? [], place, referrerCountMax).map((item, i) => {
    const one = `${place}: manifests[${i}]`;
    const type = optionalString(asObject(item, one).artifactType, one);
    return { ...parseDescriptor(item, one), artifactType: type ?? "" };
  });
}

function tooMany(what: string): TspodError {
  return new TspodError(
    "registry.too_large",
    `"${what}" has more than ${referrerCountMax} referrers`,
    { next: "ask for one type with --artifact-type" },
  );
}
