/**
 * Searching a registry: docker's search API of version 1, which docker.io and quay.io answer, else the catalog of version 2,
 * in which names are looked through. Bounded: a catalog may be endless.
 */
import { TspodError } from "../errors.ts";
import type { RegistryClient } from "./client.ts";
import { responseError } from "./errors.ts";
import type { Endpoint } from "./registries-conf.ts";

export interface SearchResult {
  /** "library/alpine" as the registry names it. */
  readonly name: string;
  readonly description: string;
  readonly stars: number;
  readonly isOfficial: boolean;
  readonly isAutomated: boolean;
}

const bodyBytesMax = 4 * 1024 * 1024;
const catalogPageSize = 1_000;
const catalogPagesMax = 100;
/** docker.io gives no more at a time. */
const resultCountMax = 100;
/** Where docker.io is searched: not where its images are. */
const hubSearchHost = "index.docker.io";

/** At most `limit`. Throws registry.*. */
export async function searchRegistry(
  client: RegistryClient,
  endpoint: Endpoint,
  term: string,
  limit: number,
): Promise<SearchResult[]> {
  const { registry } = endpoint;
  const failing = { what: term, registry, verb: "search for" };
  const query = new URLSearchParams({ q: term, n: String(Math.min(limit, resultCountMax)) });
  const isHub = registry === "docker.io";
  const place = isHub ? { ...endpoint, host: hubSearchHost } : endpoint;
  const request = { path: `/v1/search?${query}`, failing };
  const { response, text } = await client.ask(place, request, bodyBytesMax);
  const results = response.ok ? parseResults(text) : undefined;
  if (results !== undefined) return results.slice(0, limit);
  if (isHub) throw responseError(failing, { status: response.status, body: text });
  return searchCatalog(client, endpoint, term, limit);
}

async function searchCatalog(
  client: RegistryClient,
  endpoint: Endpoint,
  term: string,
  limit: number,
): Promise<SearchResult[]> {
  const failing = { what: term, registry: endpoint.registry, verb: "search for" };
  const found: SearchResult[] = [];
  let last = "";
  for (let page = 0; page < catalogPagesMax && found.length < limit; page++) {
    const query = new URLSearchParams({
      n: String(catalogPageSize),
      ...(last === "" ? {} : { last }),
    });
    const request = { path: `/v2/_catalog?${query}`, failing };
    const { response, text } = await client.ask(endpoint, request, bodyBytesMax);
    if (response.status === 404 || response.status === 405) throw cannotSearch(endpoint);
    if (!response.ok) throw responseError(failing, { status: response.status, body: text });
    const names = parseCatalog(text);
    for (const name of names.filter((one) => one.includes(term))) {
      found.push({ name, description: "", stars: 0, isOfficial: false, isAutomated: false });
    }
    const next = names.at(-1) ?? "";
    const hasMore = (response.headers.get("link") ?? "").includes("next");
    if (!hasMore || next === last) break;
    last = next;
  }
  return found.slice(0, limit);
}

function cannotSearch({ registry }: Endpoint): TspodError {
  return new TspodError("registry.failed", `Cannot search "${registry}": it has no search`, {
    next: `name the repository: tspod search --list-tags ${registry}/NAME`,
  });
}

/** Undefined: it is no answer to a search, whatever the status says. */
function parseResults(body: string): SearchResult[] | undefined {
  let results: unknown;
  try {
    ({ results } = JSON.parse(body) as { results?: unknown });
  } catch {
    return undefined; // some page that is shown for every address
  }
  if (!Array.isArray(results)) return undefined;
  return results.flatMap((one: unknown) => {
    const item = typeof one === "object" && one !== null ? (one as Record<string, unknown>) : {};
    if (typeof item.name !== "string") return [];
    return {
      name: item.name,
      description: typeof item.description === "string" ? item.description : "",
      stars: typeof item.star_count === "number" ? item.star_count : 0,
      isOfficial: item.is_official === true,
      isAutomated: item.is_automated === true,
    };
  });
}

function parseCatalog(body: string): string[] {
  try {
    const { repositories } = JSON.parse(body) as { repositories?: unknown };
    const list: unknown[] = Array.isArray(repositories) ? repositories : [];
    return list.filter((name): name is string => typeof name === "string");
  } catch {
    return []; // nothing is found in what is no catalog
  }
}
