/**
 * One large blob over several connections, each fetching pieces, where one connection would take long and the registry
 * allows it (RFC 9110 section 14). The first stream fetches from the beginning on, as ever; the others what is beyond.
 *
 * A registry is not trusted to understand ranges: only when it has answered a first request for a piece with that piece
 * is the first stream cut short. When pieces cannot be had any more one stream goes on alone; wrong bytes are found out
 * by the blob's digest.
 */
import { setTimeout } from "node:timers/promises";
import { TspodError } from "../errors.ts";
import { type ByteRange, cutRanges } from "../lib/ranges.ts";
import { type BlobSink, type BlobWork, fetchFront, type FrontLimit, persist } from "./blobs.ts";
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
  readonly limit: FrontLimit;
  /** Pieces that nobody has begun. */
  queue: ByteRange[];
  wasUsed: boolean;
  hasPieceFailed: boolean;
}

/** A piece that the registry has begun to send. */
interface Begun {
  readonly piece: ByteRange;
  readonly response: Response;
}

/** One connection's bytes in so long a time must be worth a further one. */
const worthwhile = 3;

/** True when pieces were fetched. Throws what `fetchBlob` throws; when it ends, nothing goes on. */
export async function fetchInRanges(outer: BlobWork<BlobSink & RangeSink>): Promise<boolean> {
  const failure = new AbortController();
  const work = { ...outer, signal: AbortSignal.any([outer.signal, failure.signal]) };
  const { sink, descriptor } = work;
  const wasUsed = sink.hasIslands;
  const limit = { end: wasUsed ? sink.sizeBytes : descriptor.sizeBytes };
  const queue = wasUsed ? piecesOf(work, sink.holes()) : [];
  const split: Split = { work, limit, queue, wasUsed, hasPieceFailed: false };
  const frontEnd = new AbortController();
  const first = fetchFront(work, limit).finally(() => frontEnd.abort());
  const others = wasUsed
    ? help(split)
    : watch(split, frontEnd.signal).then((begun) => begun && help(split, begun));
  const all = [first.then(() => fetchPieces(split)), others];
  for (const each of all) each.catch((error: unknown) => failure.abort(error));
  await Promise.allSettled(all);
  outer.signal.throwIfAborted();
  if (failure.signal.aborted) await goOnAlone(split, outer, failure.signal.reason);
  return split.wasUsed;
}

function piecesOf({ client }: Split["work"], ranges: readonly ByteRange[]): ByteRange[] {
  return cutRanges(ranges, client.transport.limits.rangeSizeBytes);
}

/** Until one connection turns out to be slow, and the registry to know ranges; undefined: it did not come to that. */
async function watch(split: Split, frontEnd: AbortSignal): Promise<Begun | undefined> {
  const { client, descriptor, sink, signal } = split.work;
  const { rangePatienceMs, rangeSizeBytes } = client.transport.limits;
  const [startMs, startBytes] = [performance.now(), sink.sizeBytes];
  const over = AbortSignal.any([frontEnd, signal]);
  while (true) {
    const missing = descriptor.sizeBytes - sink.sizeBytes;
    if (missing < 2 * rangeSizeBytes) return undefined;
    await setTimeout(rangePatienceMs, undefined, { signal: over }).catch(() => undefined);
    if (over.aborted) return undefined;
    const got = sink.sizeBytes - startBytes;
    const leftMs = (missing * (performance.now() - startMs)) / got;
    if (got <= 0 || leftMs < worthwhile * rangePatienceMs || client.spare.count === 0) continue;
    const boundary = sink.sizeBytes + rangeSizeBytes;
    const [piece, ...rest] = piecesOf(split.work, [{ start: boundary, end: descriptor.sizeBytes }]);
    if (piece === undefined) return undefined;
    const response = await ask(split.work, piece).catch(() => undefined); // then one stream does it
    if (response === undefined) return undefined;
    const isKnown = isRange(response, piece.start, descriptor.sizeBytes);
    if (isKnown && !over.aborted && sink.sizeBytes <= boundary) {
      Object.assign(split, { queue: rest, wasUsed: true });
      split.limit.end = boundary;
      return { piece, response };
    }
    await response.body?.cancel();
    if (!isKnown) return undefined;
  }
}

/** As many connections more as a command may have. */
async function help(split: Split, begun?: Begun): Promise<void> {
  const { spare } = split.work.client;
  const count = Math.min(spare.count, split.queue.length + (begun === undefined ? 0 : 1));
  spare.count -= count;
  try {
    const idle = begun === undefined ? count : Math.max(count - 1, 0);
    const crew = Array.from({ length: idle }, () => fetchPieces(split));
    await Promise.all([...crew, ...(begun === undefined ? [] : [fetchPieces(split, begun)])]);
  } finally {
    spare.count += count;
  }
}

async function fetchPieces(split: Split, begun?: Begun): Promise<void> {
  try {
    if (begun !== undefined) await fetchPiece(split.work, begun.piece, begun.response);
    for (let piece = split.queue.shift(); piece !== undefined; piece = split.queue.shift()) {
      await fetchPiece(split.work, piece);
    }
  } catch (error) {
    split.hasPieceFailed = true;
    throw error;
  }
}

function ask(
  { client, endpoint, descriptor, failing, signal }: Split["work"],
  { start, end }: ByteRange,
): Promise<Response> {
  const options = { offset: start, end, what: failing.what, signal };
  return client.openBlob(endpoint, descriptor.digest, options);
}

async function fetchPiece(
  work: Split["work"],
  { start, end }: ByteRange,
  begun?: Response,
): Promise<void> {
  const { client, descriptor, sink, failing, signal } = work;
  let position = start;
  let opened = begun;
  const attempt = async (): Promise<void> => {
    const response = opened ?? (await ask(work, { start: position, end }));
    opened = undefined;
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
      await fetchFront(work, { end: hole.end });
    }
  } catch (error) {
    if (!(error instanceof NotThatRange)) throw error;
    sink.forgetIslands();
    await fetchFront(work);
  }
}
