/** Which images an OCI layout holds (image-layout.md "index.json"), or a directory of skopeo's: their manifests. */
import {
  type Descriptor,
  digestOf,
  hostPlatform,
  isIndexType,
  isManifestType,
  type Manifest,
  parseManifest,
  selectManifest,
} from "../../oci/index.ts";
import type { Spool } from "./spool.ts";

export interface LayoutImage {
  /** As it is annotated, or "". */
  readonly name: string;
  readonly manifest: Manifest;
  /** The manifest's bytes. */
  readonly text: string;
}

/** An index may name indexes: two levels of them are seen in the wild. */
const indexDepthMax = 3;

/** Of an index for several platforms, the one for this machine. Errors: image.invalid, image.no_platform. */
export async function layoutImages(
  spool: Spool,
  { index, manifest }: { index: string | undefined; manifest: string | undefined },
  what: string,
): Promise<LayoutImage[]> {
  const text = index ?? manifest ?? "";
  const top = parseManifest(text, { what });
  if (top.kind === "manifest") return [{ name: "", manifest: top, text }];
  const usable = top.manifests.filter(
    ({ mediaType, platform }) =>
      (isManifestType(mediaType) || isIndexType(mediaType)) && platform?.os !== "unknown",
  );
  const byName = Map.groupBy(usable, (descriptor) => nameOf(descriptor) || descriptor.digest);
  const images: LayoutImage[] = [];
  for (const descriptors of byName.values()) {
    const chosen = choose(descriptors, top.mediaType, what);
    images.push({ name: nameOf(chosen), ...(await resolve(spool, chosen, what)) });
  }
  return images;
}

/** containerd and docker write the whole name here, and only the tag there. */
function nameOf({ annotations = {} }: Descriptor): string {
  return (
    annotations["io.containerd.image.name"] ??
    annotations["org.opencontainers.image.ref.name"] ??
    ""
  );
}

/** One name with several manifests: one for each platform. */
function choose(descriptors: readonly Descriptor[], mediaType: string, what: string): Descriptor {
  const [first, second] = descriptors;
  if (first !== undefined && second === undefined) return first;
  return selectManifest({ kind: "index", mediaType, manifests: descriptors }, hostPlatform(), what);
}

async function resolve(
  spool: Spool,
  descriptor: Descriptor,
  what: string,
): Promise<Pick<LayoutImage, "manifest" | "text">> {
  let next = descriptor;
  for (let depth = 0; depth < indexDepthMax; depth++) {
    const text = await spool.blobText(next.digest);
    if (digestOf(text) !== next.digest) throw spool.invalid(`its blob ${next.digest} is no text`);
    const parsed = parseManifest(text, { what, contentType: next.mediaType });
    if (parsed.kind === "manifest") return { manifest: parsed, text };
    next = selectManifest(parsed, hostPlatform(), what);
  }
  throw spool.invalid("its index names indexes without end");
}
