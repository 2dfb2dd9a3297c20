/** Builds OCI image layouts from literals: layers from lists of entries, one manifest per platform, an index. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pack } from "tar-stream";

/** One entry of a layer; directories end in "/", links name their target. */
export interface Entry {
  path: string;
  content?: string | Uint8Array;
  linkTo?: string;
  hardLinkTo?: string;
  type?: "fifo";
  mode?: number;
  uid?: number;
  gid?: number;
}

export interface ImageSource {
  layers: Entry[][];
  /** image-spec config.md: the "config" object. */
  config: Record<string, unknown>;
  architecture?: string;
}

interface Descriptor {
  mediaType: string;
  digest: string;
  size: number;
  platform?: { os: string; architecture: string };
}

const type = (name: string): string => `application/vnd.oci.image.${name}`;

/** Every time in a built image: the same bytes whoever builds it. */
const epoch = new Date(Date.UTC(2024, 0, 1));

/** Write `images` (one per platform) as the layout `directory`, tagged "latest". */
export async function writeLayout(directory: string, images: ImageSource[]): Promise<void> {
  mkdirSync(join(directory, "blobs/sha256"), { recursive: true });
  const manifests: Descriptor[] = [];
  for (const image of images) manifests.push(await writeImage(directory, image));
  const [only, ...others] = manifests;
  const top =
    only !== undefined && others.length === 0
      ? only
      : put(directory, type("index.v1+json"), { schemaVersion: 2, manifests });
  const tagged = { ...top, annotations: { "org.opencontainers.image.ref.name": "latest" } };
  writeFileSync(join(directory, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
  writeFileSync(
    join(directory, "index.json"),
    JSON.stringify({ schemaVersion: 2, manifests: [tagged] }),
  );
}

async function writeImage(directory: string, image: ImageSource): Promise<Descriptor> {
  const tars = await Promise.all(image.layers.map(tarOf));
  const architecture = image.architecture ?? (process.arch === "x64" ? "amd64" : process.arch);
  const platform = { os: "linux", architecture };
  const config = put(directory, type("config.v1+json"), {
    created: epoch.toISOString(),
    ...platform,
    config: image.config,
    rootfs: { type: "layers", diff_ids: tars.map(digestOf) },
    history: image.layers.map(() => ({ created: epoch.toISOString(), created_by: "literal" })),
  });
  const layers = tars.map((tar) =>
    put(directory, type("layer.v1.tar+gzip"), Bun.gzipSync(tar, { level: 1 })),
  );
  const mediaType = type("manifest.v1+json");
  const manifest = put(directory, mediaType, { schemaVersion: 2, mediaType, config, layers });
  return { ...manifest, platform };
}

function put(directory: string, mediaType: string, content: object): Descriptor {
  const bytes = content instanceof Uint8Array ? content : Buffer.from(JSON.stringify(content));
  const digest = digestOf(bytes);
  writeFileSync(join(directory, "blobs", digest.replace(":", "/")), bytes);
  return { mediaType, digest, size: bytes.byteLength };
}

function digestOf(bytes: Uint8Array): string {
  return `sha256:${new Bun.CryptoHasher("sha256").update(bytes).digest("hex")}`;
}

/** A tar of the entries, in their order. */
export async function tarOf(entries: Entry[]): Promise<Uint8Array<ArrayBuffer>> {
  const tar = pack();
  for (const entry of entries) {
    const header = {
      name: entry.path,
      mode: entry.mode ?? (entry.path.endsWith("/") ? 0o755 : 0o644),
      uid: entry.uid ?? 0,
      gid: entry.gid ?? 0,
      mtime: epoch,
    };
    if (entry.linkTo !== undefined)
      tar.entry({ ...header, type: "symlink", linkname: entry.linkTo });
    else if (entry.hardLinkTo !== undefined)
      tar.entry({ ...header, type: "link", linkname: entry.hardLinkTo });
    else if (entry.type !== undefined) tar.entry({ ...header, type: entry.type });
    else if (entry.path.endsWith("/")) tar.entry({ ...header, type: "directory" });
    else tar.entry(header, Buffer.from(entry.content ?? ""));
  }
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar) chunks.push(chunk as Buffer); // a readable stream of buffers
  return new Uint8Array(Buffer.concat(chunks));
}
