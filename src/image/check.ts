/**
 * Whether what is kept of images is what the rows say: every blob by its digest, every layer by its directory, rows
 * without files and files without rows. It only reads; what other processes make just now is none of its business.
 * What is inside a layer's directory is not compared with anything.
 */
import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  statSync,
} from "node:fs";
import { join } from "node:path";
import {
  blobsOfArtifact,
  type Digest,
  digestFromHex,
  parseArtifact,
  parseManifest,
} from "../oci/index.ts";
import { listArtifactRecords } from "../store/artifacts.ts";
import { listManifestLists } from "../store/manifest-lists.ts";
import { hasLivingOwner, isNotedStray } from "../store/leases.ts";
import { formatIndexOf, indexPath } from "../store/index-file.ts";
import { isBlobUsed } from "../store/image-writes.ts";
import type { ImageRecord } from "../store/images.ts";
import { layerTree, stagePrefix } from "../store/layers.ts";
import type { ImageContext } from "./context.ts";
import { listImages } from "./find.ts";

export type Fault =
  /** Its content is another, or its size, or there is nothing. */
  | { kind: "blob"; digest: Digest; state: "damaged" | "missing"; image: ImageRecord }
  | { kind: "layer"; chainId: string; image: ImageRecord }
  /** With the owners of some --userns; unpacked again when it is asked for. */
  | { kind: "mapped"; chainId: string; owners: string }
  /** A file of an artifact, its config or its manifest. */
  | { kind: "artifact"; digest: Digest; state: "damaged" | "missing"; name: string }
  /** A manifest list: its file cannot be read. */
  | { kind: "list"; path: string }
  /** A manifest list has an image of this store that is not here any more. */
  | { kind: "entry"; list: string; image: string }
  | { kind: "stray"; what: "blob" | "layer"; name: string }
  | { kind: "index" };

export interface CheckedContent {
  readonly faults: Fault[];
  readonly images: number;
  readonly blobs: number;
  readonly blobBytes: number;
  readonly layers: number;
}

/** Times that what is wrong is looked at once more: commands beside this one change what is compared while it is. */
const confirmations = 3;

/** `isQuick`: blobs are looked at, not read. */
export function checkContent(
  context: ImageContext,
  { isQuick }: { isQuick: boolean },
): CheckedContent {
  const checked = look(context, { isQuick });
  let { faults } = checked;
  for (let times = 0; faults.length > 0 && times < confirmations; times++)
    faults = stillWrong(context, faults);
  return { ...checked, faults };
}

/** Those that are there again. What is wrong inside of a blob stays so as long as somebody has it. */
function stillWrong(context: ImageContext, faults: readonly Fault[]): Fault[] {
  const again = new Set(look(context, { isQuick: true }).faults.map(keyOf));
  const images = new Set(listImages(context).map(({ id }) => id));
  const artifacts = new Set(listArtifactRecords(context.database).map(({ name }) => name));
  return faults.filter((fault) => {
    if (again.has(keyOf(fault))) return true;
    if (fault.kind === "blob") return fault.state === "damaged" && images.has(fault.image.id);
    return fault.kind === "artifact" && fault.state === "damaged" && artifacts.has(fault.name);
  });
}

const keyOf = (fault: Fault): string =>
  JSON.stringify("image" in fault && fault.kind !== "entry" ? { ...fault, image: "" } : fault);

function look(context: ImageContext, { isQuick }: { isQuick: boolean }): CheckedContent {
  const images = listImages(context);
  const blobs = new Map<Digest, { sizeBytes: number; image: ImageRecord }>();
  for (const image of images) {
    for (const [digest, sizeBytes] of blobsOf(image)) {
      if (!blobs.has(digest)) blobs.set(digest, { sizeBytes, image });
    }
  }
  const artifacts = artifactFaults(context, blobs, isQuick);
  const faults: Fault[] = [...artifacts.faults];
  let blobBytes = artifacts.bytes;
  for (const [digest, { sizeBytes, image }] of blobs) {
    context.signal.throwIfAborted();
    blobBytes += sizeBytes;
    const state = blobState(context, digest, sizeBytes, isQuick);
    if (state !== "whole") faults.push({ kind: "blob", digest, state, image });
  }
  const layers = new Map<string, ImageRecord>();
  for (const image of images)
    for (const chain of chainsOf(context, image)) layers.set(chain, image);
  for (const [chainId, image] of layers) {
    if (!isDirectory(layerTree(context.paths, chainId)))
      faults.push({ kind: "layer", chainId, image });
  }
  faults.push(...mappedFaults(context), ...strays(context, layers));
  faults.push(...indexFaults(context), ...listFaults(context, images));
  const count = blobs.size + artifacts.count;
  return { faults, images: images.length, blobs: count, blobBytes, layers: layers.size };
}

/** Of blobs that no image has too. */
function artifactFaults(
  context: ImageContext,
  known: ReadonlyMap<Digest, unknown>,
  isQuick: boolean,
): { faults: Fault[]; count: number; bytes: number } {
  const faults: Fault[] = [];
  const seen = new Map<Digest, number>();
  for (const { name, digest, manifest } of listArtifactRecords(context.database)) {
    const whole = { digest, sizeBytes: Buffer.byteLength(manifest) };
    for (const blob of [whole, ...blobsOfArtifact(parseArtifact(manifest, name))]) {
      if (known.has(blob.digest) || seen.has(blob.digest)) continue;
      context.signal.throwIfAborted();
      seen.set(blob.digest, blob.sizeBytes);
      const state = blobState(context, blob.digest, blob.sizeBytes, isQuick);
      if (state !== "whole") faults.push({ kind: "artifact", digest: blob.digest, state, name });
    }
  }
  const bytes = [...seen.values()].reduce((sum, size) => sum + size, 0);
  return { faults, count: seen.size, bytes };
}

function listFaults({ paths }: ImageContext, images: readonly ImageRecord[]): Fault[] {
  const ids = new Set<string>(images.map(({ id }) => id));
  const { lists, damaged } = listManifestLists(paths);
  const lost = lists.flatMap(({ name, entries }) =>
    entries.flatMap(({ source }): Fault[] =>
      "image" in source && !ids.has(source.image)
        ? [{ kind: "entry", list: name, image: source.image }]
        : [],
    ),
  );
  return [...damaged.map((path): Fault => ({ kind: "list", path })), ...lost];
}

function blobsOf(image: ImageRecord): [Digest, number][] {
  const manifest = parseManifest(image.manifest, { what: image.reference || image.id });
  const own: [Digest, number] = [image.manifestDigest, Buffer.byteLength(image.manifest)];
  const others = manifest.kind === "manifest" ? [manifest.config, ...manifest.layers] : [];
  return [own, ...others.map(({ digest, sizeBytes }): [Digest, number] => [digest, sizeBytes])];
}

/** Also those that an opaque one hides, which `image.layers` does not have. */
function chainsOf({ database }: ImageContext, { id }: ImageRecord): string[] {
  const rows = database
    .query<{ chain: string }, [string]>(
      "SELECT chain_id AS chain FROM image_layer WHERE image_id = ?",
    )
    .all(id);
  return rows.map(({ chain }) => chain);
}

const chunkBytes = 1024 * 1024;

export function blobState(
  { paths }: ImageContext,
  digest: Digest,
  sizeBytes: number,
  isQuick: boolean,
): "whole" | "damaged" | "missing" {
  const path = join(paths.blobs, digest.slice("sha256:".length));
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return "missing";
  if (!stat.isFile() || stat.size !== sizeBytes) return "damaged";
  if (isQuick) return "whole";
  const hash = new Bun.CryptoHasher("sha256");
  const buffer = Buffer.allocUnsafe(chunkBytes);
  const fd = openSync(path, "r");
  try {
    for (let read = 1; read > 0;) {
      read = readSync(fd, buffer);
      hash.update(buffer.subarray(0, read));
    }
  } catch {
    return "damaged"; // EIO
  } finally {
    closeSync(fd);
  }
  return `sha256:${hash.digest("hex")}` === digest ? "whole" : "damaged";
}

function mappedFaults({ database, paths }: ImageContext): Fault[] {
  return database
    .query<{ chainId: string; owners: string }, []>(
      "SELECT chain_id AS chainId, owners FROM mapped_layer",
    )
    .all()
    .filter(({ chainId, owners }) => !isDirectory(layerTree(paths, chainId, owners)))
    .map((row) => ({ kind: "mapped", ...row }));
}

function strays(context: ImageContext, layers: ReadonlyMap<string, ImageRecord>): Fault[] {
  const { database, paths } = context;
  const isBusy = (kind: "blob" | "layer", name: string): boolean =>
    hasLivingOwner(database, `make:${kind}:${name}`) ||
    hasLivingOwner(database, `keep:${kind}:${name}`) ||
    isNotedStray(database, kind, name);
  const rows = database
    .query<{ chain: string }, []>("SELECT chain_id AS chain FROM layer")
    .all()
    .map(({ chain }) => chain);
  const directories = [...list(paths.layers), ...list(paths.mapped)].filter(
    (name) => !name.startsWith(stagePrefix),
  );
  const isStrayBlob = (hex: string): boolean =>
    !/^[0-9a-f]{64}$/.test(hex) || !isBlobUsed(database, digestFromHex(hex));
  return [
    ...list(paths.blobs)
      .filter((name) => isStrayBlob(name) && !isBusy("blob", name))
      .map((name): Fault => ({ kind: "stray", what: "blob", name })),
    ...[...new Set([...directories, ...rows])]
      .filter((name) => !layers.has(name) && !isBusy("layer", name))
      .map((name): Fault => ({ kind: "stray", what: "layer", name })),
  ];
}

function indexFaults({ database }: ImageContext): Fault[] {
  const path = indexPath(database);
  if (path === null) return [];
  const isRight = (): boolean => {
    const wanted = formatIndexOf(database);
    const text = existsSync(path) ? readFileSync(path, "utf8") : "";
    return text === wanted || (!existsSync(path) && !wanted.includes('"digest"'));
  };
  // whoever changes names writes the file after the rows
  const isUpToDate = isRight() || hasLivingOwner(database, "keep:index:names") || isRight();
  return isUpToDate ? [] : [{ kind: "index" }];
}

const isDirectory = (path: string): boolean =>
  statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;

function list(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return []; // not made yet
  }
}
