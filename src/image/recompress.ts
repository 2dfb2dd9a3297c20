/** A layer's blob, compressed otherwise for a push: in a file that nobody keeps. Its diff id stays the same. */
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream";
import { constants, createGzip, createZstdCompress } from "node:zlib";
import type { Digest } from "../oci/index.ts";
import { NewBlob } from "../store/content.ts";
import type { ImageContext } from "./context.ts";
import { decompress } from "./decompress.ts";

export const compressionFormats = ["gzip", "zstd", "none"] as const;

export interface Compression {
  readonly format: (typeof compressionFormats)[number];
  /** gzip: 1 to 9, zstd: 1 to 20; absent: the usual one. */
  readonly level?: number;
}

export interface Recompressed extends Disposable {
  readonly path: string;
  readonly digest: Digest;
  readonly sizeBytes: number;
}

/** podman's and docker's; gzip's own default is twice as slow for a few per cent. */
const levels = { gzip: 5, zstd: 3 };
const chunkSize = 256 * 1024;

/** Throws layer.invalid when the blob is damaged, store.full. */
export async function recompress(
  { paths, signal, helper }: ImageContext,
  path: string,
  { format, level }: Compression,
  what: string,
): Promise<Recompressed> {
  using rest = new DisposableStack();
  const blob = rest.use(new NewBlob(paths));
  const source = createReadStream(path, { highWaterMark: chunkSize });
  const tar = decompress(source as AsyncIterable<Uint8Array>, what, { helper }); // a stream of buffers: no encoding is set
  if (format === "none") {
    for await (const piece of tar) blob.write(piece);
  } else {
    const compressor = startCompressor(format, level ?? levels[format]);
    pipeline(tar, compressor, () => undefined); // errors of either side come out of the loop below
    for await (const piece of compressor) {
      signal.throwIfAborted();
      blob.write(piece as Uint8Array); // no encoding is set: buffers
    }
  }
  const { digest, sizeBytes } = { digest: blob.digest(), sizeBytes: blob.sizeBytes };
  const kept = rest.move();
  return { path: blob.path, digest, sizeBytes, [Symbol.dispose]: () => kept.dispose() };
}

function startCompressor(format: "gzip" | "zstd", level: number) {
  if (format === "gzip") return createGzip({ level, chunkSize });
  const params = { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_checksumFlag]: 1 };
  return createZstdCompress({ chunkSize, params });
}
