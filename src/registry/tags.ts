/** The tags of a repository (distribution-spec 1.1, "Listing Tags"): page by page, within limits. */
import { TspodError } from "../errors.ts";
import type { Answer } from "./body.ts";
import type { RegistryClient } from "./client.ts";
import { responseError } from "./errors.ts";
import { nextPage } from "./pages.ts";
import type { Endpoint } from "./registries-conf.ts";

const pageSize = 1_000;
const pageBytesMax = 4 * 1024 * 1024;
/** Repositories of nightly builds have some thousands. */
const tagCountMax = 20_000;
const pageCountMax = 1_000;
const tagPattern = /^\w[\w.-]{0,127}$/;

/** In the registry's order. Throws image.not_found, registry.*. */
export async function listTags(
  client: RegistryClient,
  endpoint: Endpoint,
  what: string,
): Promise<string[]> {
  const failing = { what, registry: endpoint.registry };
  const tags = new Set<string>();
  let path: string | undefined = `/v2/${endpoint.repository}/tags/list?n=${pageSize}`;
  for (let count = 0; path !== undefined && count < pageCountMax; count++) {
    const answer: Answer = await client.ask(endpoint, { path, failing }, pageBytesMax);
    const { response, text } = answer;
    if (!response.ok) throw responseError(failing, { status: response.status, body: text });
    for (const tag of parseTags(text)) tags.add(tag);
    if (tags.size > tagCountMax) {
      throw new TspodError("registry.too_large", `"${what}" has more than ${tagCountMax} tags`, {
        next: "pull those that you need by their names",
      });
    }
    path = nextPage(response, endpoint, path);
  }
  return [...tags];
}

function parseTags(body: string): string[] {
  try {
    const { tags } = JSON.parse(body) as { tags?: unknown };
    const list: unknown[] = Array.isArray(tags) ? tags : [];
    return list.filter((tag): tag is string => typeof tag === "string" && tagPattern.test(tag));
  } catch {
    return []; // no tags: said by the caller
  }
}
