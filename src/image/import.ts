/** An archive of a root file system -> an image of one layer. */
import { createReadStream } from "node:fs";
import { TspodError } from "../errors.ts";
import type { Digest, Platform } from "../oci/index.ts";
import { applyInstruction } from "./instructions.ts";
import type { JsonObject } from "../oci/narrow.ts";
import { networkReason } from "../registry/index.ts";
import { explainWrite } from "../store/content.ts";
import type { ImageContext } from "./context.ts";
import { creationTime, localName, makeImage } from "./make-image.ts";
import { makeLayer } from "./make-layer.ts";

export interface ImportOptions {
  /** A file, an http(s) address, or the bytes. */
  source: string | AsyncIterable<Uint8Array>;
  name: string | null;
  changes: readonly string[];
  message: string;
  /** Absent: this machine's. */
  platform?: Platform;
}

/** Errors: usage, files.not_found, registry.failed (an address), layer.invalid, reference.invalid, store.full. */
export async function importImage(context: ImageContext, options: ImportOptions): Promise<Digest> {
  const { source, name, changes, message, platform } = options;
  if (name !== null) localName(name); // what is wrong with it is said first
  const config = changes.reduce<JsonObject>(applyInstruction, {});
  const shown = typeof source === "string" ? source : "-";
  using kept = new DisposableStack();
  try {
    const bytes = typeof source === "string" ? await open(context, source) : source;
    const layer = await makeLayer(context, { bytes, below: [], what: `"${shown}"` }, kept);
    const image = {
      ...{ config, layer, name, author: "", how: "import" },
      format: "oci",
      comment: message,
      ...(platform === undefined ? {} : { platform }),
      createdBy: "import",
      created: creationTime(context.environment, new Date().toISOString()),
    } as const;
    return await makeImage(context, image, kept);
  } catch (error) {
    throw explainWrite(error, context.paths);
  }
}

async function open({ signal }: ImageContext, source: string): Promise<AsyncIterable<Uint8Array>> {
  if (/^https?:\/\//i.test(source)) return fetchArchive(source, signal);
  const stream = createReadStream(source, { highWaterMark: chunkSizeBytes });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  stream.once("open", () => resolve());
  stream.once("error", reject);
  try {
    await promise;
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const why = code === "ENOENT" ? "it does not exist" : `${code}`;
    throw new TspodError("files.not_found", `Cannot read "${source}": ${why}`, {
      next: "name a tar archive, its address, or - for standard input",
      cause,
    });
  }
  return readFile(stream, source);
}

const chunkSizeBytes = 256 * 1024;

async function* readFile(
  stream: AsyncIterable<Uint8Array>,
  source: string,
): AsyncGenerator<Uint8Array> {
  try {
    yield* stream;
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new TspodError("files.refused", `Cannot read "${source}" (${code})`, {
      next: "name a tar archive",
      cause,
    });
  }
}

const answerTimeoutMs = 30_000;

async function fetchArchive(
  address: string,
  signal: AbortSignal,
): Promise<AsyncIterable<Uint8Array>> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(new Error("no answer")), answerTimeoutMs);
  try {
    const answer = await fetch(address, { signal: AbortSignal.any([signal, late.signal]) });
    if (answer.ok && answer.body !== null) return answer.body;
    throw new Error(`it answers ${answer.status}`);
  } catch (cause) {
    signal.throwIfAborted();
    const why = networkReason(cause);
    throw new TspodError("registry.failed", `Cannot fetch "${withoutPassword(address)}": ${why}`, {
      next: "check the address",
      cause,
    });
  } finally {
    clearTimeout(timer);
  }
}

const withoutPassword = (address: string): string => address.replace(/\/\/[^/@]*@/, "//");
