/** One layer: bytes of its blob -> `layers/<chain id>/`, checked against its diff id, on the disk, with its row. */
import { renameSync } from "node:fs";
import { join } from "node:path";
import { TspodError } from "../errors.ts";
import { applyLayer, type LayerDone, removeTrees } from "../helper/index.ts";
import { type Digest, shortDigest } from "../oci/index.ts";
import { publishLayer, stageLayer, trashName } from "../store/layers.ts";
import type { ImageContext } from "./context.ts";
import { decompress } from "./decompress.ts";
import { type Feed, Restarted } from "./feed.ts";

export interface LayerToUnpack {
  readonly chainId: string;
  readonly diffId: Digest;
  readonly blobDigest: Digest;
  /** "alpine:latest". */
  readonly what: string;
  /** Resolves when the blob's own digest was found right: the diff id does not cover the compressed form. */
  readonly verified: Promise<void>;
}

/** A registry that cannot resume makes us begin again; one that never can is given up by the download. */
const restartsMax = 20;

/** The caller holds "make:layer:<chain id>". Throws layer.invalid, registry.digest_mismatch, store.full. */
export async function unpackLayer(
  context: ImageContext,
  feed: Feed,
  layer: LayerToUnpack,
): Promise<void> {
  const { paths, database } = context;
  const { chainId, diffId, verified } = layer;
  for (let restarts = 0; ; restarts++) {
    const stage = stageLayer(paths, chainId);
    const { generation } = feed;
    try {
      const { bytes: sizeBytes, opaqueRoot } = await fill(
        context,
        feed,
        layer,
        join(stage, "diff"),
      );
      await verified;
      publishLayer(database, paths, stage, { chainId, diffId, sizeBytes, isOpaque: opaqueRoot });
      return;
    } catch (error) {
      await discard(context, stage, chainId);
      // nonsense in the bytes may be the download's fault, which it finds out itself, and may have mended since
      if (isAboutBytes(error)) await verified;
      const isStale = error instanceof Restarted || feed.generation !== generation;
      if (!isStale || restarts === restartsMax) throw error;
    }
  }
}

/** What is wrong with the bytes is said best by their digest. */
function isAboutBytes(error: unknown): boolean {
  return error instanceof TspodError && error.code === "layer.invalid";
}

async function fill(
  context: ImageContext,
  feed: Feed,
  { diffId, blobDigest, what }: LayerToUnpack,
  directory: string,
): Promise<LayerDone> {
  const name = `layer ${shortDigest(blobDigest)} of "${what}"`;
  const { helper: command, mapping, signal } = context;
  const hash = new Bun.CryptoHasher("sha256");
  const hashed = async function* (): AsyncIterable<Uint8Array> {
    for await (const chunk of decompress(feed.chunks(), name, { helper: command })) {
      hash.update(chunk);
      yield chunk;
    }
  };
  const done = await applyLayer({ command, mapping, signal, directory, sync: true }, hashed());
  const got = `sha256:${hash.digest("hex")}`;
  if (got === diffId) return done;
  throw new TspodError(
    "registry.digest_mismatch",
    `Cannot use ${name}: it unpacks to ${got} instead of ${diffId}`,
    { next: "its publisher made a mistake, or somebody changed it" },
  );
}

/** Its files may belong to subordinate ids: only the helper can remove them. What fails here, recovery does later. */
export async function discard(
  context: ImageContext,
  stage: string,
  chainId: string,
): Promise<void> {
  const { helper: command, mapping } = context;
  const trash = trashName(context.paths, chainId);
  renameSync(stage, trash);
  const signal = new AbortController().signal; // giving up is why we are here: that signal would stop the cleaning
  await removeTrees({ command, mapping, signal }, [trash]).catch(() => undefined);
}
