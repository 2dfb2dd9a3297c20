/**
 * Fetching one blob whole: resumed where it broke off, counted and hashed to the last byte.
 * Where the bytes go is the caller's (`BlobSink`).
 */
import { setTimeout } from "node:timers/promises";
import { TspodError } from "../errors.ts";
import type { Descriptor, Digest } from "../oci/index.ts";
import { bodyChunks } from "./body.ts";
import { digestMismatch, type RegistryClient } from "./client.ts";
import type { Failing } from "./errors.ts";
import type { Endpoint } from "./registries-conf.ts";
import type { Transport } from "./transport.ts";

/** Where a blob's bytes go, in order. It hashes what it is given. */
export interface BlobSink {
  /** Bytes it has: fetching begins there. */
  readonly sizeBytes: number;
  write(chunk: Uint8Array): void;
  /** Forget everything: the registry cannot resume, or what is here is wrong. */
  restart(): void;
  digest(): Digest;
}

export interface FetchBlobOptions {
  /** "alpine:latest": for errors. */
  readonly what: string;
  /** Gives up this blob; the client's own signal gives up everything. */
  readonly signal?: AbortSignal;
}

/** Broken connections in a row that brought nothing. */
const barrenAttemptsMax = 4;
/** Broken connections at all: a server that drops every few bytes is given up some time. */
const attemptsMax = 200;

/**
 * Bring `descriptor`'s blob into `sink`, which may hold its beginning already (checked with the rest).
 * Throws registry.digest_mismatch (after one fresh start when something was resumed), registry.failed, unreachable...
 */
export async function fetchBlob(
  client: RegistryClient,
  endpoint: Endpoint,
  descriptor: Descriptor,
  sink: BlobSink,
  { what, signal = client.transport.signal }: FetchBlobOptions,
): Promise<void> {
  const failing: Failing = { what, registry: endpoint.registry };
  const hadBeginning = sink.sizeBytes > 0;
  if (sink.sizeBytes > descriptor.sizeBytes) sink.restart();
  await fetchRest(client, endpoint, descriptor, sink, { failing, signal });
  if (sink.digest() === descriptor.digest) return;
  if (hadBeginning) {
    // what an earlier process left may have been damaged by a power cut
    sink.restart();
    await fetchRest(client, endpoint, descriptor, sink, { failing, signal });
  }
  const got = sink.digest();
  if (got === descriptor.digest) return;
  sink.restart();
  throw digestMismatch(failing, descriptor.digest, got);
}

async function fetchRest(
  client: RegistryClient,
  endpoint: Endpoint,
  descriptor: Descriptor,
  sink: BlobSink,
  { failing, signal }: { failing: Failing; signal: AbortSignal },
): Promise<void> {
  const { limits, onRetry } = client.transport;
  let barren = 0;
  for (let attempt = 1; sink.sizeBytes < descriptor.sizeBytes; attempt++) {
    const before = sink.sizeBytes;
    const response = await client.openBlob(endpoint, descriptor.digest, {
      ...{ offset: before, what: failing.what, signal },
    });
    try {
      await readInto(sink, response, { limits, signal }, descriptor, failing);
    } catch (error) {
      signal.throwIfAborted();
      barren = sink.sizeBytes > before ? 0 : barren + 1;
      const isBroken = error instanceof TspodError && brokenCodes.has(error.code);
      if (!isBroken || barren >= barrenAttemptsMax || attempt >= attemptsMax) throw error;
      onRetry(`${error.message}: going on at byte ${sink.sizeBytes}`);
      const delayMs = barren === 0 ? 0 : limits.retryDelayMs * 2 ** (barren - 1);
      await setTimeout(Math.min(delayMs, limits.retryDelayMsMax), undefined, { signal });
    }
  }
}

/** Errors of a body that began well; a request has had its retries in the transport. */
const brokenCodes: ReadonlySet<string> = new Set(["registry.unreachable", "registry.failed"]);

/** One body, to its end or to where it breaks. */
async function readInto(
  sink: BlobSink,
  response: Response,
  reading: Pick<Transport, "limits" | "signal">,
  { digest, sizeBytes }: Descriptor,
  failing: Failing,
): Promise<void> {
  const { what, registry } = failing;
  if (!continues(response, sink.sizeBytes)) {
    sink.restart();
    if (response.status !== 200) {
      await response.body?.cancel();
      throw new TspodError(
        "registry.failed",
        `Cannot resume ${digest}: ${registry} answered ${response.status}`,
      );
    }
  }
  for await (const chunk of bodyChunks(response, reading, failing)) {
    if (chunk.length > sizeBytes - sink.sizeBytes) {
      sink.restart();
      throw new TspodError(
        "registry.digest_mismatch",
        `Cannot use "${what}": ${registry} sent more than the ${sizeBytes} bytes of ${digest}`,
        { next: "the registry or a proxy before it is broken" },
      );
    }
    sink.write(chunk);
  }
  if (sink.sizeBytes === sizeBytes) return;
  throw new TspodError(
    "registry.failed",
    `Cannot pull "${what}": ${registry} sent only ${sink.sizeBytes} of ${sizeBytes} bytes of ${digest}`,
    { next: "try again; what is here already is kept" },
  );
}

/** Whether a body begins at `offset`: RFC 9110 section 14.4, "bytes 100-199/200". */
function continues(response: Response, offset: number): boolean {
  if (response.status !== 206) return offset === 0;
  const range = response.headers.get("content-range") ?? "";
  return /^bytes (\d{1,15})-/.exec(range)?.[1] === String(offset);
}
