/** Which other repository of a registry has a blob already, as far as the store knows: for mounting instead of sending. */
import { type Digest, parseManifest, parseReference } from "../oci/index.ts";
import { type Endpoint, endpoints, isBlocked } from "../registry/index.ts";
import { type ImageRecord, listImageRecords } from "../store/images.ts";
import type { ImageContext } from "./context.ts";
import { readRegistryRules } from "./settings.ts";

/** Each is one more scope of the token that is asked for. */
const repositoryCountMax = 8;

/** Layer -> repository that it was pulled from or pushed to, at the same host as `endpoint`. */
export function findMounts(
  { database, environment }: ImageContext,
  record: ImageRecord,
  endpoint: Endpoint,
): Map<Digest, string> {
  const wanted = layersOf(record);
  const mounts = new Map<Digest, string>();
  const rules = readRegistryRules(environment);
  for (const other of listImageRecords(database)) {
    const repositories = other.names
      .filter(({ digest }) => digest !== "") // what never was in a registry is not there
      .map(({ reference }) => parseReference(reference))
      .flatMap((name) => (isBlocked(rules, name) ? [] : endpoints(rules, name).slice(-1)))
      .filter(
        ({ host, repository }) => host === endpoint.host && repository !== endpoint.repository,
      );
    const [from] = repositories;
    if (from === undefined) continue;
    for (const digest of layersOf(other)) {
      if (wanted.has(digest) && !mounts.has(digest)) mounts.set(digest, from.repository);
    }
    if (mounts.size === wanted.size || new Set(mounts.values()).size === repositoryCountMax) break;
  }
  return mounts;
}

function layersOf({ manifest, reference }: ImageRecord): Set<Digest> {
  const parsed = parseManifest(manifest, { what: reference });
  return new Set(parsed.kind === "manifest" ? parsed.layers.map(({ digest }) => digest) : []);
}
