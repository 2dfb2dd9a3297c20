/** Lists of a registry that come in pages: where the next one is. */
import type { Endpoint } from "./registries-conf.ts";

/** Link: </v2/x/tags/list?last=b&n=2>; rel="next" (RFC 8288), followed at the same registry only. */
export function nextPage(response: Response, { host }: Endpoint, path: string): string | undefined {
  const link = /<([^<>]+)>\s*;[^,]*rel="?next"?/i.exec(response.headers.get("link") ?? "")?.[1];
  const base = `https://${host}${path}`;
  if (link === undefined || !URL.canParse(link, base)) return undefined;
  const url = new URL(link, base);
  return url.host === new URL(base).host ? `${url.pathname}${url.search}` : undefined;
}
