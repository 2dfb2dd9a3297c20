/**
 * A layer blob's bytes, or an archive's -> the tar inside. What compresses it is read from its first bytes, not from its
 * media type or name. xz and bzip2, which layers do not come in but files do, are read by the host's programs; zstd with a
 * large window by our helper: together with that, this process would have more memory than it may.
 */
import { pipeline, type Transform } from "node:stream";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { TspodError } from "../errors.ts";
import { unzstdStatus } from "../helper/index.ts";
import { zstdHeaderBytesMax, zstdWindowBytes } from "./zstd-window.ts";

const chunkSize = 256 * 1024;
const magicLength = 4;
/** What is not larger is nothing beside the rest of this process; `zstd --ultra -22` has 128 MiB, most levels 8 or less. */
const ownWindowBytesMax = 32 * 1024 * 1024;

type Chunks = AsyncIterable<Uint8Array>;

export interface DecompressOptions {
  /** Argv prefix of native verbs. */
  helper: readonly string[];
  /** What to do about xz and bzip2. */
  foreign?: "refuse" | "programs";
}

/** Throws layer.invalid when it is damaged or in a format that is not read; `what` names it. */
export async function* decompress(
  source: Chunks,
  what: string,
  { helper, foreign = "refuse" }: DecompressOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const [head, chunks] = await peek(source);
  const format = foreignFormat(head);
  if (format !== undefined && foreign === "programs") {
    yield* runProgram(chunks, findProgram(format, what), () => damaged(what));
    return;
  }
  const windowBytes = zstdWindowBytes(head) ?? 0;
  if (windowBytes > ownWindowBytesMax) {
    yield* runProgram(chunks, [...helper, "unzstd"], (status) => explainUnzstd(status, what));
    return;
  }
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
  const hex = Buffer.from(head.subarray(0, magicLength)).toString("hex");
  if (hex.startsWith("1f8b")) return createGunzip({ chunkSize });
  // a zstd frame, or a skippable one, with which chunked layers may begin (RFC 8878 section 3.1)
  if (hex === "28b52ffd" || /^5.2a4d18$/.test(hex)) return createZstdDecompress({ chunkSize });
  const foreign = foreignFormat(head);
  if (foreign === undefined) return undefined;
  throw new TspodError("layer.invalid", `Cannot unpack ${what}: it is compressed with ${foreign}`, {
    next: "ask its publisher for gzip or zstd",
  });
}

function foreignFormat(head: Uint8Array): "xz" | "bzip2" | undefined {
  const hex = Buffer.from(head.subarray(0, magicLength)).toString("hex");
  return hex === "fd377a58" ? "xz" : hex.startsWith("425a68") ? "bzip2" : undefined;
}

/** How to call them, and Debian's package; xz takes as much memory as the file asks for unless it is told otherwise. */
const programs = {
  xz: { words: ["xz", "-dc", "--memlimit-decompress=256MiB"], debianPackage: "xz-utils" },
  bzip2: { words: ["bzip2", "-dc"], debianPackage: "bzip2" },
} as const;

function findProgram(format: keyof typeof programs, what: string): readonly string[] {
  const { words, debianPackage } = programs[format];
  if (Bun.which(words[0], { PATH: process.env.PATH ?? "" }) !== null) return words;
  throw new TspodError("layer.invalid", `Cannot read ${what}: it is compressed with ${format}`, {
    next: `install ${words[0]} (apt-get install ${debianPackage}), or compress it with gzip or zstd`,
  });
}

/** A program that decompresses its standard input: the host's, or a verb of the helper. */
async function* runProgram(
  source: Chunks,
  words: readonly string[],
  explain: (status: number) => TspodError,
): AsyncGenerator<Uint8Array, void, undefined> {
  const child = Bun.spawn([...words], {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "ignore",
    env: process.env,
  });
  let sourceError: unknown;
  const feeding = feedProgram(child.stdin, source).catch((error: unknown) => {
    sourceError = error;
    child.kill("SIGKILL");
  });
  try {
    yield* child.stdout;
    await feeding;
    if (sourceError !== undefined) throw sourceError;
    const status = await child.exited;
    if (status !== 0) throw explain(status);
  } finally {
    child.kill("SIGKILL");
    await child.exited;
  }
}

async function feedProgram(stdin: Bun.FileSink, source: Chunks): Promise<void> {
  for await (const chunk of source) {
    try {
      await stdin.write(chunk);
      await stdin.flush();
    } catch {
      return; // it has ended, and its status says why
    }
  }
  await Promise.resolve(stdin.end()).catch(() => undefined); // as above
}

/** The first bytes, enough to tell what it is, and a stream that still has them. */
async function peek(source: Chunks): Promise<[head: Uint8Array, whole: Chunks]> {
  const iterator = source[Symbol.asyncIterator]();
  let head: Uint8Array = new Uint8Array();
  while (head.length < zstdHeaderBytesMax) {
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
  return [head.subarray(0, zstdHeaderBytesMax), whole()];
}

function isZlibError(error: unknown): boolean {
  const { code = "" } = error as { code?: string };
  return code.startsWith("Z_") || code.startsWith("ZSTD_") || code === "ERR_BUFFER_TOO_LARGE";
}

function explainUnzstd(status: number, what: string): TspodError {
  if (status === unzstdStatus.windowTooLarge) return windowTooLarge(what);
  if (status === unzstdStatus.damaged) return damaged(what);
  return new TspodError("internal", `Cannot unpack ${what}: the helper ended with ${status}`, {
    next: "see that 200 MB of memory are free, and run the command again",
  });
}

function windowTooLarge(what: string): TspodError {
  const why = "it was compressed so that unpacking takes more than 128 MiB of memory";
  return new TspodError("layer.invalid", `Cannot unpack ${what}: ${why}`, {
    next: "compress it with zstd --long=27 or less",
  });
}

/** A frame behind the first may ask for more than this process takes, as libzstd says with its limit; that is rare. */
const libraryRefused = "ZSTD_error_frameParameter_windowTooLarge";

function damaged(what: string, cause?: unknown): TspodError {
  if ((cause as { code?: string } | undefined)?.code === libraryRefused)
    return windowTooLarge(what);
  return new TspodError("layer.invalid", `Cannot unpack ${what}: its compression is damaged`, {
    next: "ask its publisher to push it again",
    cause,
  });
}
