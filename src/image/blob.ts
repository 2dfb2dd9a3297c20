/** A blob, present or fetched: once for all processes that want it at the same time. */
import { TspodError } from "../errors.ts";
import type { Lease } from "../store/leases.ts";
import { keepLease } from "../store/leases.ts";
import { blobPath, hasBlob, ingestPath, putBlob } from "../store/content.ts";
import { IngestFile } from "../store/ingest-file.ts";
import { shareWork } from "../store/wait.ts";
import { type Descriptor, type Digest, digestHex, digestOf } from "../oci/index.ts";
import { fetchBlob } from "../registry/index.ts";
import type { ImageContext } from "./context.ts";
import { Feed } from "./feed.ts";
import type { Source } from "./source.ts";

export interface WantedBlob {
  readonly descriptor: Descriptor;
  /** "alpine:latest": for errors. */
  readonly what: string;
  /** Told how many bytes are here. */
  onProgress?(bytes: number): void;
  onWait?(): void;
}

/**
 * Bring a blob into the store and keep it there until the lease ends; `feed` gets its bytes as they come.
 * Without a source it must be here. Throws what `fetchBlob` throws, store.full, store.corrupt.
 */
export async function ensureBlob(
  context: ImageContext,
  source: Pick<Source, "client" | "endpoint"> | null,
  { descriptor, what, onProgress, onWait }: WantedBlob,
  feed: Feed = new Feed(),
): Promise<Lease> {
  const { paths, database, signal } = context;
  const { digest, sizeBytes } = descriptor;
  const hex = digestHex(digest);
  const keep = (): Lease => keepLease(database, `keep:blob:${hex}`);
  const path = blobPath(paths, digest);
  try {
    return await shareWork<Lease>(database, signal, {
      resource: `make:blob:${hex}`,
      directory: paths.blobs,
      onWait: () => onWait?.(),
      find() {
        if (!hasBlob(paths, digest, sizeBytes)) return undefined;
        onProgress?.(sizeBytes);
        feed.finish(path, sizeBytes);
        return keep();
      },
      async make() {
        if (source === null) throw missing(digest, what);
        const { client, endpoint } = source;
        const incoming = ingestPath(paths, digest);
        using ingest = new IngestFile(paths, descriptor, (size, here) => {
          onProgress?.(here);
          feed.advance(incoming, size);
        });
        await fetchBlob(client, endpoint, descriptor, ingest, { what, signal });
        ingest.commit(digest);
        feed.finish(path, sizeBytes);
        return keep();
      },
    });
  } catch (error) {
    feed.fail(error);
    throw error;
  }
}

/** Bytes that are here already (a manifest, a config), stored and kept there until the lease ends. */
export function keepBytes(context: ImageContext, bytes: string | Uint8Array): Promise<Lease> {
  const { paths, database, signal } = context;
  const hex = digestHex(digestOf(bytes));
  return shareWork<Lease>(database, signal, {
    resource: `make:blob:${hex}`,
    directory: paths.blobs,
    find: () => undefined,
    async make() {
      putBlob(paths, bytes);
      return keepLease(database, `keep:blob:${hex}`);
    },
  });
}

function missing(digest: Digest, what: string): TspodError {
  return new TspodError("store.corrupt", `Cannot use "${what}": its blob ${digest} is missing`, {
    next: "remove the image and pull it again",
  });
}
