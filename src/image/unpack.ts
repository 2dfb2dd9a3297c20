/** One layer: bytes of its blob -> `layers/<chain id>/`, checked against its diff id, on the disk, with its row. */
import { renameSync } from "node:fs";
import { join } from "node:path";
import { TspodError } from "../errors.ts";
import { applyLayer, removeTrees } from "../helper/index.ts";
import type { Digest } from "../oci/index.ts";
import { explainWrite } from "../store/content.ts";
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
}

/** A registry that cannot resume makes us begin again; one that never can is given up by the download. */
const restartsMax = 20;

/** The caller holds "make:layer:<chain id>". Throws layer.invalid, registry.digest_mismatch, store.full. */
export async function unpackLayer(
  context: ImageContext,
  feed: Feed,
  layer: LayerToUnpack,
  verified: Promise<void>,
): Promise<void> {
  for (let restarts = 0; ; restarts++) {
    const stage = stageLayer(context.paths, layer.chainId);
    try {
      const sizeBytes = await fill(context, feed, layer, join(stage, "diff"));
      // the blob's own digest covers what the diff id does not: the compressed form
      await verified;
      publishLayer(context.database, context.paths, stage, { ...layer, sizeBytes });
      return;
    } catch (error) {
      await discard(context, stage, layer.chainId);
      if (!(error instanceof Restarted) || restarts === restartsMax) throw error;
    }
  }
}

async function fill(
  context: ImageContext,
  feed: Feed,
  { diffId, blobDigest, what }: LayerToUnpack,
  directory: string,
): Promise<number> {
  const name = `layer ${blobDigest.slice(0, 19)} of "${what}"`;
  const { helper, mapping, signal } = context;
  const hash = new Bun.CryptoHasher("sha256");
  const apply = applyLayer({ helper, mapping, directory, signal });
  try {
    for await (const chunk of decompress(feed.chunks(), name)) {
      hash.update(chunk);
      if (!(await apply.write(chunk))) break; // it has refused something: its reply says what
    }
  } catch (error) {
    await apply.abort();
    throw error;
  }
  const reply = await apply.finish();
  signal.throwIfAborted();
  if (!reply.ok) throw explainRefusal(context, name, reply);
  const got = `sha256:${hash.digest("hex")}`;
  if (got !== diffId) {
    throw new TspodError(
      "registry.digest_mismatch",
      `Cannot use ${name}: it unpacks to ${got} instead of ${diffId}`,
      {
        next: "its publisher made a mistake, or somebody changed it",
      },
    );
  }
  return reply.bytes;
}

function explainRefusal(
  context: ImageContext,
  name: string,
  reply: { entry: string; errno: string; message: string },
): unknown {
  if (reply.errno === "ENOSPC" || reply.errno === "EDQUOT") {
    return explainWrite({ code: reply.errno }, context.paths);
  }
  const entry = reply.entry === "" ? "" : ` at "${reply.entry}"`;
  return new TspodError("layer.invalid", `Cannot unpack ${name}${entry}: ${reply.message}`);
}

/** Its files may belong to subordinate ids: only the helper can remove them. What fails here, recovery does later. */
async function discard(context: ImageContext, stage: string, chainId: string): Promise<void> {
  const trash = trashName(context.paths, chainId);
  renameSync(stage, trash);
  await removeTrees({ helper: context.helper, mapping: context.mapping, directories: [trash] });
}
