/** A layer blob's bytes -> the tar inside. What compresses it is read from its first bytes, not from its media type. */
import { pipeline, type Transform } from "node:stream";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { TspodError } from "../errors.ts";

const chunkSize = 256 * 1024;
const magicLength = 4;

type Chunks = AsyncIterable<Uint8Array>;

/** Throws layer.invalid when it is damaged or in a format layers do not come in; `what` names it. */
export async function* decompress(
  source: Chunks,
  what: string,
): AsyncGenerator<Uint8Array, void, undefined> {
  const [head, chunks] = await peek(source);
  const transform = decompressor(head, what);
  if (transform === undefined) {
    yield* chunks;
    return;
  }
  let sourceError: unknown;
  const guarded = async function* (): Chunks {
    try {
      yield* chunks;
    } catch (error) {
      sourceError = error;
      throw error;
    }
  };
  // errors of either side come out of the loop below
  pipeline(guarded(), transform, () => undefined);
  try {
    for await (const chunk of transform) yield chunk as Uint8Array; // no encoding is set: buffers
  } catch (error) {
    if (sourceError !== undefined) throw sourceError;
    throw isZlibError(error) ? damaged(what, error) : error;
  } finally {
    transform.destroy();
  }
}

function decompressor(head: Uint8Array, what: string): Transform | undefined {
  const hex = Buffer.from(head).toString("hex");
  if (hex.startsWith("1f8b")) return createGunzip({ chunkSize });
  // a zstd frame, or a skippable one, with which chunked layers may begin (RFC 8878 section 3.1)
  if (hex === "28b52ffd" || /^5.2a4d18$/.test(hex)) return createZstdDecompress({ chunkSize });
  const foreign = hex === "fd377a58" ? "xz" : hex.startsWith("425a68") ? "bzip2" : undefined;
  if (foreign === undefined) return undefined;
  throw new TspodError("layer.invalid", `Cannot unpack ${what}: it is compressed with ${foreign}`, {
    next: "ask its publisher for gzip or zstd",
  });
}

/** The first bytes, and a stream that still has them. */
async function peek(source: Chunks): Promise<[head: Uint8Array, whole: Chunks]> {
  const iterator = source[Symbol.asyncIterator]();
  let head: Uint8Array = new Uint8Array();
  while (head.length < magicLength) {
    const { done, value } = await iterator.next();
    if (done) break;
    head = head.length === 0 ? value : Buffer.concat([head, value]);
  }
  const whole = async function* (): Chunks {
    try {
      if (head.length > 0) yield head;
      yield* { [Symbol.asyncIterator]: () => iterator };
    } finally {
      await iterator.return?.();
    }
  };
  return [head.subarray(0, magicLength), whole()];
}

function isZlibError(error: unknown): boolean {
  const { code = "" } = error as { code?: string };
  return code.startsWith("Z_") || code.startsWith("ZSTD_") || code === "ERR_BUFFER_TOO_LARGE";
}

function damaged(what: string, cause: unknown): TspodError {
  return new TspodError("layer.invalid", `Cannot unpack ${what}: its compression is damaged`, {
    next: "ask its publisher to push it again",
    cause,
  });
}
