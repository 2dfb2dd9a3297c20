/** The missing layers of an image: downloaded and unpacked side by side, each once for all processes. */
import { TspodError } from "../errors.ts";
import type { Descriptor, Digest } from "../oci/index.ts";
import { explainFull } from "../store/content.ts";
import { keepLease, type Lease } from "../store/leases.ts";
import { hasLayer } from "../store/layers.ts";
import { shareWork } from "../store/wait.ts";
import { ensureBlob } from "./blob.ts";
import type { ImageContext } from "./context.ts";
import type { LayerPhase } from "./events.ts";
import { Feed } from "./feed.ts";
import { sideBySide } from "./side-by-side.ts";
import type { Source } from "./source.ts";
import { unpackLayer } from "./unpack.ts";

export interface WantedLayer {
  readonly chainId: string;
  readonly diffId: Digest;
  readonly descriptor: Descriptor;
}

/**
 * All of them on the disk and kept there until `kept` ends. The first failure stops the others; whole ones stay.
 * Without a source their blobs must be here.
 */
export async function ensureLayers(
  outer: ImageContext,
  source: Source | null,
  layers: readonly WantedLayer[],
  kept: DisposableStack,
  what: string,
): Promise<void> {
  outer.report({
    kind: "layers",
    layers: layers.map(({ chainId, descriptor: { digest, sizeBytes } }) => ({
      ...{ digest, sizeBytes },
      isPresent: hasLayer(outer.database, chainId),
    })),
  });
  await sideBySide(outer, layers, async (context, layer, failure) => {
    for (const lease of await ensureLayer(context, failure, { source, layer, what }))
      kept.use(lease);
  });
}

async function ensureLayer(
  context: ImageContext,
  failure: AbortController,
  { source, layer, what }: { source: Source | null; layer: WantedLayer; what: string },
): Promise<Lease[]> {
  const { database, signal, paths } = context;
  const { chainId, descriptor } = layer;
  const { digest } = descriptor;
  const phase = (name: LayerPhase): void => context.report({ kind: "phase", digest, phase: name });
  // the same files may be here of another blob: loaded from an archive, or compressed otherwise
  const needsBlob = source !== null;
  const leases = await shareWork<Lease[]>(database, signal, {
    resource: `make:layer:${chainId}`,
    directory: paths.layers,
    onWait: () => phase("waiting"),
    find() {
      if (needsBlob || !hasLayer(database, chainId)) return undefined;
      return [keepLease(database, `keep:layer:${chainId}`)];
    },
    async make() {
      if (hasLayer(database, chainId)) {
        const layer = keepLease(database, `keep:layer:${chainId}`);
        try {
          return [await ensureBlob(context, source, { descriptor, what }), layer];
        } catch (error) {
          layer[Symbol.dispose]();
          throw error;
        }
      }
      phase("downloading");
      let missingBytes = descriptor.sizeBytes;
      const feed = new Feed();
      const download = ensureBlob(
        context,
        source,
        {
          ...{ descriptor, what },
          onProgress(bytes) {
            missingBytes = descriptor.sizeBytes - bytes;
            context.report({ kind: "downloaded", digest, bytes });
          },
          onWait: () => phase("waiting"),
        },
        feed,
      );
      const verified = download.then(() => phase("unpacking"));
      verified.catch(() => undefined); // the error is that of the download, seen below
      const unpacking = unpackLayer(context, feed, {
        ...layer,
        ...{ blobDigest: digest, what, verified },
      });
      unpacking.catch((error: unknown) => {
        failure.abort(withMissing(error, missingBytes, paths)); // nobody needs the rest of the download
      });
      const blob = await bothOrNeither(download, unpacking);
      return [blob, keepLease(database, `keep:layer:${chainId}`)];
    },
  });
  phase("done");
  return leases;
}

/** Whichever of both finds the disk full first: how much more it takes at the least is told. */
function withMissing(error: unknown, missingBytes: number, paths: ImageContext["paths"]): unknown {
  const isFull = error instanceof TspodError && error.code === "store.full";
  return isFull && missingBytes > 0 ? explainFull(error, paths, missingBytes) : error;
}

/**
 * Wait for both to end, whatever happens: nothing of this layer goes on once its lease is released.
 * The download's error is the cause when both fail.
 */
async function bothOrNeither(download: Promise<Lease>, unpacking: Promise<void>): Promise<Lease> {
  const [blob, tree] = await Promise.allSettled([download, unpacking]);
  if (blob.status === "rejected") throw blob.reason;
  if (tree.status === "rejected") {
    blob.value[Symbol.dispose]();
    throw tree.reason;
  }
  return blob.value;
}
