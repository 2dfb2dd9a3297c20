/**
 * One large blob over several connections, each fetching pieces, where one connection would take long and the registry
 * allows it (RFC 9110 section 14). The first stream fetches from the beginning on, as ever; the others what is beyond.
 *
 * The first stream asks for no more at a time than it is believed to bring soon: what is beyond can be left to others
 * without a byte being sent twice. A registry is not trusted to understand ranges: only when it has answered the first
 * stream with the part that was asked for do others begin. When pieces cannot be had any more one stream goes on alone;
 * wrong bytes are found out by the blob's digest.
 */
import { setTimeout } from "node:timers/promises";
import { TspodError } from "../errors.ts";
import { type ByteRange, cutRanges } from "../lib/ranges.ts";
import { type BlobSink, type BlobWork, fetchFront, type Front, persist } from "./blobs.ts";
import { bodyChunks } from "./body.ts";
import { isRange, NotThatRange } from "./range-answer.ts";

/** A sink that takes bytes in any order. */
export interface RangeSink {
  /** Whether anything is here beyond the first hole. */
  readonly hasIslands: boolean;
  /** What is missing, in order; the first one begins where its beginning ends. */
  holes(): ByteRange[];
  /** Bytes of a hole. */
  writeAt(start: number, chunk: Uint8Array): void;
  /** Forget what is beyond the first hole. */
  forgetIslands(): void;
}

interface Split {
  readonly work: BlobWork<BlobSink & RangeSink>;
  readonly front: Front;
  /** Pieces that nobody has begun; undefined as long as the first stream is alone. */
  queue: ByteRange[] | undefined;
  /** It may be because of the parts. */
  hasPieceFailed: boolean;
}

/** So many times the patience must be missing to be worth further connections. */
const worthwhile = 3;

/** True when it came in parts. Throws what `fetchBlob` throws; when it ends, nothing goes on. */
export async function fetchInRanges(outer: BlobWork<BlobSink & RangeSink>): Promise<boolean> {
  const failure = new AbortController();
  const work = { ...outer, signal: AbortSignal.any([outer.signal, failure.signal]) };
  const { sink } = work;
  const front = { end: sink.sizeBytes, asksForParts: true, knowsParts: false };
  const queue = sink.hasIslands ? piecesOf(work, sink.holes()) : undefined;
  const split: Split = { work, front, queue, hasPieceFailed: false };
  const frontEnd = new AbortController();
  const first = advance(split).finally(() => frontEnd.abort());
  const others = watch(split, frontEnd.signal).then(() => help(split));
  const all = [first.then(() => fetchPieces(split)), others];
  for (const each of all) each.catch((error: unknown) => failure.abort(error));
  await Promise.allSettled(all);
  outer.signal.throwIfAborted();
  if (failure.signal.aborted) await goOnAlone(split, outer, failure.signal.reason);
  return front.knowsParts || split.queue !== undefined;
}

function piecesOf({ client }: Split["work"], ranges: readonly ByteRange[]): ByteRange[] {
  return cutRanges(ranges, client.transport.limits.rangeSizeBytes);
}

/** The first stream: to the blob's end, or to what others have begun. */
async function advance(split: Split): Promise<void> {
  const { work, front } = split;
  const { sink, descriptor } = work;
  const [startMs, startBytes] = [performance.now(), sink.sizeBytes];
  while (split.queue === undefined) {
    const bytesPerMs = (sink.sizeBytes - startBytes) / (performance.now() - startMs);
    front.end = nextEnd(work, front, startBytes === sink.sizeBytes ? 0 : bytesPerMs);
    try {
      await fetchFront(work, front);
    } catch (error) {
      if (sink.sizeBytes === startBytes && front.knowsParts) split.hasPieceFailed = true;
      throw error;
    }
    if (sink.sizeBytes >= descriptor.sizeBytes) return;
  }
}

/** All of it when that comes soon, or others could not help. */
function nextEnd({ client, sink, descriptor }: Split["work"], front: Front, bytesPerMs: number) {
  const { rangePatienceMs, rangeSizeBytes, rangeConnectionsMax } = client.transport.limits;
  const soonBytes = bytesPerMs * rangePatienceMs;
  const missing = descriptor.sizeBytes - sink.sizeBytes;
  const isWhole = missing < 2 * rangeSizeBytes || missing < worthwhile * soonBytes;
  if (isWhole || !front.asksForParts || rangeConnectionsMax === 0) return descriptor.sizeBytes;
  return sink.sizeBytes + Math.max(rangeSizeBytes, Math.floor(soonBytes));
}

/** Until one connection turns out to be slow, and the registry to know ranges; or the first stream is at its end. */
async function watch(split: Split, frontEnd: AbortSignal): Promise<void> {
  const { client, descriptor, sink, signal } = split.work;
  const { rangePatienceMs } = client.transport.limits;
  const [startMs, startBytes] = [performance.now(), sink.sizeBytes];
  const over = AbortSignal.any([frontEnd, signal]);
  while (split.queue === undefined) {
    await setTimeout(rangePatienceMs, undefined, { signal: over }).catch(() => undefined);
    if (over.aborted) return;
    const got = sink.sizeBytes - startBytes;
    const missing = descriptor.sizeBytes - sink.sizeBytes;
    const leftMs = (missing * (performance.now() - startMs)) / got;
    if (got <= 0 || leftMs < worthwhile * rangePatienceMs || client.spare.count === 0) continue;
    const { end, knowsParts } = split.front;
    if (!knowsParts || end === descriptor.sizeBytes) continue;
    split.queue = piecesOf(split.work, [{ start: end, end: descriptor.sizeBytes }]);
  }
}

/** As many connections more as a command may have. */
async function help(split: Split): Promise<void> {
  const { spare } = split.work.client;
  const count = Math.min(spare.count, split.queue?.length ?? 0);
  spare.count -= count;
  try {
    await Promise.all(Array.from({ length: count }, () => fetchPieces(split)));
  } finally {
    spare.count += count;
  }
}

async function fetchPieces(split: Split): Promise<void> {
  const { queue = [] } = split;
  try {
    for (let piece = queue.shift(); piece !== undefined; piece = queue.shift()) {
      await fetchPiece(split.work, piece);
    }
  } catch (error) {
    split.hasPieceFailed = true;
    throw error;
  }
}

async function fetchPiece(work: Split["work"], { start, end }: ByteRange): Promise<void> {
  const { client, endpoint, descriptor, sink, failing, signal } = work;
  let position = start;
  const attempt = async (): Promise<void> => {
    const response = await client.openBlob(endpoint, descriptor.digest, {
      ...{ offset: position, end, isOnce: true, what: failing.what, signal },
    });
    if (!isRange(response, position, descriptor.sizeBytes)) {
      await response.body?.cancel();
      throw new NotThatRange();
    }
    const { limits } = client.transport;
    for await (const chunk of bodyChunks(response, { limits, signal }, failing)) {
      if (chunk.length > end - position) throw new NotThatRange();
      sink.writeAt(position, chunk);
      position += chunk.length;
    }
    if (position === end) return;
    throw new TspodError(
      "registry.failed",
      `Cannot pull "${failing.what}": ${failing.registry} broke off a part of ${descriptor.digest}`,
      { next: "try again; what is here already is kept" },
    );
  };
  await persist(work, () => position, attempt);
}

/** After a piece could not be had. What is the caller's (the disk, a signal) or the first stream's is final. */
async function goOnAlone(split: Split, work: Split["work"], reason: unknown): Promise<void> {
  const { sink, client, failing } = work;
  const isOfRegistry = reason instanceof TspodError && reason.code.startsWith("registry.");
  const isMisled = reason instanceof NotThatRange;
  if (!isMisled && !(isOfRegistry && split.hasPieceFailed)) throw reason;
  client.transport.onRetry(
    `${failing.registry} does not hand out parts of ${failing.what}: going on with one connection`,
  );
  if (isMisled) sink.forgetIslands();
  try {
    for (let [hole] = sink.holes(); hole !== undefined; [hole] = sink.holes()) {
      await fetchFront(work, { end: hole.end, asksForParts: false, knowsParts: false });
    }
  } catch (error) {
    if (!(error instanceof NotThatRange)) throw error;
    sink.forgetIslands();
    await fetchFront(work);
  }
}
