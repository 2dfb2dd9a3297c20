/**
 * A layer that comes as a tar, not from a registry: its tree and its blob are made side by side, from one reading, and are
 * in the store only when both are whole. Its name is not known before its end: until then all of it has another one.
 */
import { renameSync } from "node:fs";
import { join } from "node:path";
import { constants, createGzip } from "node:zlib";
import { once } from "node:events";
import { applyLayer, type LayerDone, removeTrees } from "../helper/index.ts";
import { chainIds, type Descriptor, type Digest, digestHex, mediaTypes } from "../oci/index.ts";
import { NewBlob } from "../store/content.ts";
import { keepLease, type Lease, tryLease } from "../store/leases.ts";
import { hasLayer, publishLayer, stageLayer, trashName } from "../store/layers.ts";
import { shareWork } from "../store/wait.ts";
import type { ImageContext } from "./context.ts";
import { decompress } from "./decompress.ts";
import { prepareStore } from "./prepare.ts";

export interface MadeLayer {
  readonly chainId: string;
  readonly diffId: Digest;
  readonly descriptor: Descriptor;
}

export interface LayerSource {
  /** A tar; when it is compressed its blob is kept as it is, otherwise it is compressed here. */
  readonly bytes: AsyncIterable<Uint8Array>;
  /** Diff ids of the layers below, base first. */
  readonly below: readonly Digest[];
  /** For errors: "the archive". */
  readonly what: string;
}

/** In the store, and kept there until `kept` ends. Errors: layer.invalid, store.full, whatever the source throws. */
export async function makeLayer(
  context: ImageContext,
  { bytes, below, what }: LayerSource,
  kept: DisposableStack,
): Promise<MadeLayer> {
  await using staged = await stageLayerOf(context, { bytes, what });
  return await staged.publish(below, kept); // before what was not published is taken away
}

/** A layer that is whole, of which nobody knows yet what it lies on. Disposing takes away what was not published. */
export interface StagedLayer extends AsyncDisposable {
  readonly diffId: Digest;
  readonly descriptor: Descriptor;
  /** Only its blob. */
  publishBlob(kept: DisposableStack): Promise<void>;
  /** The blob and, the first time, its tree, if nobody has made the layer meanwhile. */
  publish(below: readonly Digest[], kept: DisposableStack): Promise<MadeLayer>;
}

/** Errors: layer.invalid, store.full, whatever the source throws. */
export async function stageLayerOf(
  context: ImageContext,
  source: Omit<LayerSource, "below">,
): Promise<StagedLayer> {
  const { paths, database } = context;
  prepareStore(context);
  const name = `${crypto.randomUUID()}${crypto.randomUUID()}`.replaceAll("-", "");
  await using resources = new AsyncDisposableStack();
  const lease = tryLease(database, `make:layer:${name}`); // nobody clears away what is being filled
  if (lease === undefined) throw new RangeError(`${name} is not random`);
  resources.use(lease);
  const blob = resources.use(new NewBlob(paths));
  const stage = stageLayer(paths, name);
  resources.defer(() => discard(context, stage, name));
  const directory = join(stage, "diff");
  const { done, diffId, mediaType } = await fill(context, source, { blob, directory });
  const descriptor = { mediaType, digest: blob.digest(), sizeBytes: blob.sizeBytes };
  const owned = resources.move();
  const keepBlob = async (kept: DisposableStack): Promise<void> =>
    void kept.use(await publishBlob(context, blob));
  let hasTree = true;
  return {
    ...{ diffId, descriptor, publishBlob: keepBlob },
    publish: async (below, kept) => {
      const chainId = digestHex(chainIds([...below, diffId]).at(-1) ?? diffId);
      await keepBlob(kept);
      if (!hasTree) return { chainId, diffId, descriptor };
      hasTree = false;
      const isOpaque = done.opaqueRoot || below.length === 0;
      const layer = { chainId, diffId, sizeBytes: done.bytes, isOpaque };
      kept.use(
        await publishTree(context, chainId, () => publishLayer(database, paths, stage, layer)),
      );
      return { chainId, diffId, descriptor };
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function fill(
  context: ImageContext,
  { bytes, what }: Omit<LayerSource, "below">,
  { blob, directory }: { blob: NewBlob; directory: string },
): Promise<{ done: LayerDone; diffId: Digest; mediaType: string }> {
  const { helper: command, mapping, signal } = context;
  const hash = new Bun.CryptoHasher("sha256");
  const [kind, source] = await tellKind(bytes);
  const gzip = kind === "plain" ? startGzip(blob) : undefined;
  const kept = async function* (): AsyncIterable<Uint8Array> {
    for await (const chunk of source) {
      if (kind !== "plain") blob.write(chunk);
      yield chunk;
    }
  };
  const tar = async function* (): AsyncIterable<Uint8Array> {
    for await (const chunk of decompress(kept(), what, { helper: command, foreign: "programs" })) {
      hash.update(chunk);
      await gzip?.write(chunk);
      yield chunk;
    }
  };
  const done = await applyLayer({ command, mapping, signal, directory, sync: true }, tar());
  await gzip?.end();
  const mediaType = kind === "zstd" ? mediaTypes.layerZstd : mediaTypes.layerGzip;
  return { done, diffId: `sha256:${hash.digest("hex")}` as Digest, mediaType }; // a sha256 in hex by construction
}

/** What a stream begins with, and the stream. */
async function tellKind(
  bytes: AsyncIterable<Uint8Array>,
): Promise<["plain" | "gzip" | "zstd", AsyncIterable<Uint8Array>]> {
  const iterator = bytes[Symbol.asyncIterator]();
  const first = await iterator.next();
  const head = first.done === true ? "" : Buffer.from(first.value.subarray(0, 4)).toString("hex");
  const whole = async function* (): AsyncIterable<Uint8Array> {
    try {
      if (first.done !== true) yield first.value;
      yield* { [Symbol.asyncIterator]: () => iterator };
    } finally {
      await iterator.return?.();
    }
  };
  const isZstd = head === "28b52ffd" || /^5.2a4d18$/.test(head);
  return [head.startsWith("1f8b") ? "gzip" : isZstd ? "zstd" : "plain", whole()];
}

/** The fastest level: what is pushed to a registry is compressed once, and what stays here is read from its tree. */
const chunkSize = 256 * 1024;

/** Works beside us, in a thread of its own. */
function startGzip(blob: NewBlob): {
  write(chunk: Uint8Array): Promise<void>;
  end(): Promise<void>;
} {
  const gzip = createGzip({ level: constants.Z_BEST_SPEED, chunkSize });
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => undefined); // seen by who waits for the next chunk
  gzip.on("error", failed.reject);
  gzip.on("data", (chunk: Uint8Array) => {
    try {
      blob.write(chunk);
    } catch (error) {
      failed.reject(error);
      gzip.destroy();
    }
  });
  return {
    async write(chunk) {
      if (!gzip.write(chunk)) await Promise.race([once(gzip, "drain"), failed.promise]);
    },
    async end() {
      const ended = once(gzip, "end");
      gzip.end();
      await Promise.race([ended, failed.promise]);
    },
  };
}

/** Whoever has made the same bytes meanwhile has made ours. */
export async function publishBlob(
  { database, paths, signal }: ImageContext,
  blob: NewBlob,
): Promise<Lease> {
  const hex = digestHex(blob.digest());
  return shareWork<Lease>(database, signal, {
    resource: `make:blob:${hex}`,
    directory: paths.blobs,
    find: () => undefined,
    async make() {
      blob.commit();
      return keepLease(database, `keep:blob:${hex}`);
    },
  });
}

async function publishTree(
  { database, paths, signal }: ImageContext,
  chainId: string,
  publish: () => void,
): Promise<Lease> {
  const keep = (): Lease => keepLease(database, `keep:layer:${chainId}`);
  return shareWork<Lease>(database, signal, {
    resource: `make:layer:${chainId}`,
    directory: paths.layers,
    find: () => (hasLayer(database, chainId) ? keep() : undefined),
    async make() {
      publish();
      return keep();
    },
  });
}

/** The stage, when it was not published; what fails here, recovery does later. */
async function discard(
  { paths, helper: command, mapping }: ImageContext,
  stage: string,
  name: string,
): Promise<void> {
  const trash = trashName(paths, name);
  try {
    renameSync(stage, trash);
  } catch {
    return; // it is a layer now
  }
  const signal = new AbortController().signal; // giving up may be why we are here
  await removeTrees({ command, mapping, signal }, [trash]).catch(() => undefined);
}
