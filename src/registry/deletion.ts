/** Deleting in a registry (distribution-spec 1.1, "Content Management"): a tag, or a manifest with every tag it has. */
import { TspodError } from "../errors.ts";
import type { RegistryClient } from "./client.ts";
import type { Endpoint } from "./registries-conf.ts";

/** False: the registry does not delete so. Throws image.not_found, registry.*. */
export async function deleteManifest(
  client: RegistryClient,
  endpoint: Endpoint,
  tagOrDigest: string,
  what: string,
): Promise<boolean> {
  const failing = { what, registry: endpoint.registry, verb: "delete" };
  const path = `/v2/${endpoint.repository}/manifests/${tagOrDigest}`;
  const response = await client.send(endpoint, { method: "DELETE", path, failing });
  if (response.ok) {
    await response.body?.cancel();
    return true;
  }
  const error = await client.refusal(response, failing);
  if ([400, 405, 501].includes(response.status)) return false;
  if (response.status !== 404) throw error;
  throw new TspodError("image.not_found", `Cannot find "${what}" in ${endpoint.registry}`, {
    next: "tspod registry list-tags shows what there is",
  });
}
