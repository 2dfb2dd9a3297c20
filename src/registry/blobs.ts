/**
 * Fetching one blob whole: resumed where it broke off, counted and hashed to the last byte. Where the bytes go is the
 * caller's (`BlobSink`); when several connections fetch one blob is ranges.ts's.
 */
import { setTimeout } from "node:timers/promises";
import { TspodError } from "../errors.ts";
import type { Descriptor, Digest } from "../oci/index.ts";
import { bodyChunks } from "./body.ts";
import { digestMismatch, type OpenBlobOptions, type RegistryClient } from "./client.ts";
import type { Failing } from "./errors.ts";
import { continues, isRange, NotThatRange } from "./range-answer.ts";
import { fetchInRanges, type RangeSink } from "./ranges.ts";
import type { Endpoint } from "./registries-conf.ts";

/** Where a blob's bytes go. It hashes what it is given. */
export interface BlobSink extends Partial<RangeSink> {
  /** Bytes it has from the beginning on: fetching goes on there. */
  readonly sizeBytes: number;
  /** The next ones. */
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

/** One blob that is being fetched. */
export interface BlobWork<Sink extends BlobSink = BlobSink> {
  readonly client: RegistryClient;
  readonly endpoint: Endpoint;
  readonly descriptor: Descriptor;
  readonly sink: Sink;
  readonly failing: Failing;
  readonly signal: AbortSignal;
}

/** How far the stream that begins at the beginning goes for now; what is beyond may be others'. */
export interface Front {
  end: number;
  /**
   * Whether a part is asked for when not everything is wanted: then nothing is sent that is not taken. Otherwise the
   * connection is closed at the end, and what is on its way is sent in vain.
   */
  asksForParts: boolean;
  /** The registry has answered with the part that it was asked for. */
  knowsParts: boolean;
}

/** Broken connections in a row that brought nothing. */
const barrenAttemptsMax = 4;
/** Broken connections at all: a server that drops every few bytes is given up some time. */
const attemptsMax = 200;

/**
 * Bring `descriptor`'s blob into `sink`, which may hold parts of it already (checked with the rest).
 * Throws registry.digest_mismatch (after one fresh start when it came in several parts), registry.failed, unreachable...
 */
export async function fetchBlob(
  client: RegistryClient,
  endpoint: Endpoint,
  descriptor: Descriptor,
  sink: BlobSink,
  { what, signal = client.transport.signal }: FetchBlobOptions,
): Promise<void> {
  const failing: Failing = { what, registry: endpoint.registry };
  const work = { client, endpoint, descriptor, sink, failing, signal };
  let isPatchwork = sink.sizeBytes > 0 || sink.hasIslands === true;
  if (sink.sizeBytes > descriptor.sizeBytes) sink.restart();
  if (canHaveIslands(sink)) {
    if (await fetchInRanges({ ...work, sink })) isPatchwork = true;
  } else await fetchFront(work);
  if (sink.digest() === descriptor.digest) return;
  if (isPatchwork) {
    // what an earlier process left may have been damaged by a power cut, and a registry may lie about ranges
    sink.restart();
    await fetchFront(work);
  }
  const got = sink.digest();
  if (got === descriptor.digest) return;
  sink.restart();
  throw digestMismatch(failing, descriptor.digest, got);
}

function canHaveIslands(sink: BlobSink): sink is BlobSink & RangeSink {
  return sink.writeAt !== undefined;
}

/** From what is here to the end, in one stream; to the blob's end when the registry does not know parts. */
export async function fetchFront(
  work: BlobWork,
  front: Front = { end: work.descriptor.sizeBytes, asksForParts: false, knowsParts: false },
): Promise<void> {
  const step = async (): Promise<void> => {
    if (work.sink.sizeBytes >= front.end) return;
    await readInto(work, await openFront(work, front), front);
  };
  await persist(work, () => work.sink.sizeBytes, step);
}

async function openFront(work: BlobWork, front: Front): Promise<Response> {
  const { client, endpoint, descriptor, sink, failing, signal } = work;
  const ask = (range: Pick<OpenBlobOptions, "offset" | "end" | "isOnce">): Promise<Response> =>
    client.openBlob(endpoint, descriptor.digest, { ...range, what: failing.what, signal });
  const offset = sink.sizeBytes;
  const { end, asksForParts, knowsParts } = front;
  if (!asksForParts || end === descriptor.sizeBytes) return ask({ offset });
  const answer = ask({ offset, end, isOnce: !knowsParts });
  const response = await (knowsParts ? answer : answer.catch(() => undefined));
  if (response !== undefined && isRange(response, offset, descriptor.sizeBytes)) {
    front.knowsParts = true;
    return response;
  }
  if (!knowsParts && response?.status === 200 && offset === 0) {
    Object.assign(front, { asksForParts: false, end: descriptor.sizeBytes });
    return response; // all of it, as if nothing had been asked for
  }
  await response?.body?.cancel();
  if (knowsParts) throw new NotThatRange(); // others may be at what is beyond
  signal.throwIfAborted();
  // whatever the reason was: it is told, and tried again, by who asks for no part
  Object.assign(front, { asksForParts: false, end: descriptor.sizeBytes });
  return ask({ offset });
}

/** Again and again until it succeeds: while it brings something, and a few times when it does not. */
export async function persist(
  { client, signal }: Pick<BlobWork, "client" | "signal">,
  position: () => number,
  attempt: () => Promise<void>,
): Promise<void> {
  const { limits, onRetry } = client.transport;
  let barren = 0;
  for (let count = 1; ; count++) {
    const before = position();
    try {
      return await attempt();
    } catch (error) {
      signal.throwIfAborted();
      barren = position() > before ? 0 : barren + 1;
      const isBroken = error instanceof TspodError && brokenCodes.has(error.code);
      if (!isBroken || barren >= barrenAttemptsMax || count >= attemptsMax) throw error;
      onRetry(`${error.message}: going on at byte ${position()}`);
      const delayMs = barren === 0 ? 0 : limits.retryDelayMs * 2 ** (barren - 1);
      await setTimeout(Math.min(delayMs, limits.retryDelayMsMax), undefined, { signal });
    }
  }
}

/** Errors of a body that began well; a request has had its retries in the transport. */
const brokenCodes: ReadonlySet<string> = new Set(["registry.unreachable", "registry.failed"]);

/** One body, to its end, to that of the front or to where it breaks. Throws NotThatRange when others are at what is beyond it. */
async function readInto(
  { client, descriptor, sink, failing, signal }: BlobWork,
  response: Response,
  front: Front,
): Promise<void> {
  const { digest, sizeBytes } = descriptor;
  const { what, registry } = failing;
  if (!continues(response, sink.sizeBytes)) {
    if (front.end < sizeBytes) {
      await response.body?.cancel();
      throw new NotThatRange();
    }
    sink.restart();
    if (response.status !== 200) {
      await response.body?.cancel();
      throw new TspodError(
        "registry.failed",
        `Cannot resume ${digest}: ${registry} answered ${response.status}`,
      );
    }
  }
  const { limits } = client.transport;
  const isCut = !front.asksForParts && front.end < sizeBytes;
  // with the last byte an end is waited for, which shows a blob that is longer than it says, and keeps the connection
  for await (const chunk of bodyChunks(response, { limits, signal }, failing)) {
    const room = front.end - sink.sizeBytes;
    if (chunk.length > room && front.end === sizeBytes) {
      sink.restart();
      throw new TspodError(
        "registry.digest_mismatch",
        `Cannot use "${what}": ${registry} sent more than the ${sizeBytes} bytes of ${digest}`,
        { next: "the registry or a proxy before it is broken" },
      );
    }
    if (room > 0) sink.write(chunk.length > room ? chunk.subarray(0, room) : chunk);
    if (chunk.length > room || (isCut && chunk.length === room)) return;
  }
  if (sink.sizeBytes >= front.end) return;
  throw new TspodError(
    "registry.failed",
    `Cannot pull "${what}": ${registry} sent only ${sink.sizeBytes} of ${sizeBytes} bytes of ${digest}`,
    { next: "try again; what is here already is kept" },
  );
}
