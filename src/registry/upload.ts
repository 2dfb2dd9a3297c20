/**
 * Pushing one blob (distribution-spec 1.1, "Pushing blobs"): not at all when it is there, by mounting it from another
 * repository, in one piece, or in chunks that go on where a broken connection left off. Where the bytes come from is the
 * caller's.
 */
import { setTimeout } from "node:timers/promises";
import { TspodError } from "../errors.ts";
import type { Digest } from "../oci/index.ts";
import type { RegistryClient } from "./client.ts";
import type { Failing } from "./errors.ts";
import type { Endpoint } from "./registries-conf.ts";

export interface BlobSource {
  readonly digest: Digest;
  readonly sizeBytes: number;
  /** The bytes from `start` to before `end`. */
  read(start: number, end: number): AsyncIterable<Uint8Array>;
}

export interface PushBlobOptions {
  /** "quay.io/team/app:1": for errors. */
  readonly what: string;
  readonly signal: AbortSignal;
  /** Another repository of the registry that may have it. */
  readonly mountFrom?: string;
  /** How many bytes are there; less than before when it begins anew. */
  onProgress(bytes: number): void;
}

export type PushedBlob = "present" | "mounted" | "uploaded";

/** A registry, or the proxy before it, that takes less than this at a time cannot be pushed to. */
const chunkSizeBytesMin = 1024 * 1024;
/** Interruptions in a row that brought nothing. */
const barrenAttemptsMax = 4;
const attemptsMax = 200;

/** An upload that a registry has begun. */
interface Session {
  url: string;
  offset: number;
  chunkSizeBytes: number;
  /** All in one PUT: because it is small, or because the registry does not know chunks. */
  isWhole: boolean;
  /** Some chunk was taken: chunks are known here. */
  hasTaken: boolean;
  hasResumed: boolean;
}

interface Work {
  readonly client: RegistryClient;
  readonly endpoint: Endpoint;
  readonly source: BlobSource;
  readonly options: PushBlobOptions;
  readonly failing: Failing;
}

/** Idempotent. Throws registry.unauthorized, rate_limited, failed, unreachable. */
export async function pushBlob(
  client: RegistryClient,
  endpoint: Endpoint,
  source: BlobSource,
  options: PushBlobOptions,
): Promise<PushedBlob> {
  const failing = { what: options.what, registry: endpoint.registry, verb: "push" };
  const work = { client, endpoint, source, options, failing };
  if (await isThere(work)) return "present";
  const session = await begin(work, options.mountFrom);
  if (session === "mounted") return "mounted";
  await uploadAll(work, session);
  return "uploaded";
}

/** Whoever may not look may still push: that is said by the next request. */
async function isThere({ client, endpoint, source, options, failing }: Work): Promise<boolean> {
  const path = `/v2/${endpoint.repository}/blobs/${source.digest}`;
  const { signal } = options;
  const response = await client.send(endpoint, { method: "HEAD", path, failing, signal });
  if (response.ok) return true;
  if ([401, 403, 404].includes(response.status)) return false;
  throw await client.refusal(response, failing);
}

async function begin(work: Work, mountFrom?: string): Promise<Session | "mounted"> {
  const { client, endpoint, source, options, failing } = work;
  const mount = new URLSearchParams({ mount: source.digest, from: mountFrom ?? "" });
  const query = mountFrom === undefined ? "" : `?${mount}`;
  const path = `/v2/${endpoint.repository}/blobs/uploads/${query}`;
  const { signal } = options;
  const response = await client.send(endpoint, { method: "POST", path, failing, signal });
  if (response.status === 201 && mountFrom !== undefined) {
    await response.body?.cancel();
    return "mounted";
  }
  if (response.status !== 202) throw await client.refusal(response, failing);
  await response.body?.cancel();
  const asked = Number(response.headers.get("oci-chunk-min-length") ?? 0);
  const { uploadChunkSizeBytes } = client.transport.limits;
  const size = Math.max(uploadChunkSizeBytes, Number.isSafeInteger(asked) ? asked : 0);
  return {
    url: locationOf(work, response, `${client.transport.origin(endpoint)}${path}`),
    offset: 0,
    chunkSizeBytes: size,
    isWhole: source.sizeBytes <= size,
    hasTaken: false,
    hasResumed: false,
  };
}

async function beginAgain(work: Work, before: Session): Promise<Session> {
  const next = await begin(work);
  if (next === "mounted") throw new RangeError("nothing was to be mounted");
  work.options.onProgress(0);
  const { isWhole, hasTaken, chunkSizeBytes: size } = before;
  return { ...next, isWhole, hasTaken, chunkSizeBytes: size };
}

/** Steps until the registry has the blob; an interruption is followed by a look at how far it came. */
async function uploadAll(work: Work, first: Session): Promise<void> {
  const { limits, onRetry } = work.client.transport;
  const { signal } = work.options;
  let session = first;
  let barren = 0;
  let furthest = 0;
  for (let attempt = 1; ; attempt++) {
    const failure = await step(work, session);
    if (failure === "done") return;
    signal.throwIfAborted();
    const next = failure === undefined ? session : await recover(work, session, failure);
    barren = next.offset > furthest ? 0 : barren + 1;
    furthest = Math.max(furthest, next.offset);
    if (failure === undefined) continue;
    if (barren > barrenAttemptsMax || attempt >= attemptsMax) throw failure.error;
    if (failure.kind === "interrupted") {
      onRetry(`${failure.error.message}: going on at byte ${next.offset}`);
      const delayMs = barren === 0 ? 0 : limits.retryDelayMs * 2 ** (barren - 1);
      const wantedMs = Math.max(Math.min(delayMs, limits.retryDelayMsMax), failure.retryAfterMs);
      await setTimeout(wantedMs, undefined, { signal });
    }
    session = next;
  }
}

type Failure =
  /** The connection broke, or the registry is not itself: how far did we come? */
  | { kind: "interrupted"; error: TspodError; retryAfterMs: number }
  /** It does not know this upload any more, or thinks it is elsewhere. */
  | { kind: "lost"; error: TspodError }
  /** It wants the same elsewhere. */
  | { kind: "moved"; error: TspodError; url: string }
  /** It wants all at once. */
  | { kind: "no chunks"; error: TspodError }
  | { kind: "too large"; error: TspodError };

/** One request. Undefined: a chunk was taken, and there are more. Throws what no further attempt can mend. */
async function step(work: Work, session: Session): Promise<Failure | undefined | "done"> {
  const { client, endpoint, source, options, failing } = work;
  const { offset } = session;
  const isLast = offset === source.sizeBytes || session.isWhole;
  const end = session.isWhole
    ? source.sizeBytes
    : Math.min(offset + session.chunkSizeBytes, source.sizeBytes);
  const range = isLast ? {} : { "content-range": `${offset}-${end - 1}` };
  let response: Response;
  try {
    response = await client.upload(
      endpoint,
      isLast ? withDigest(session.url, source.digest) : session.url,
      {
        method: isLast ? "PUT" : "PATCH",
        headers: { "content-type": "application/octet-stream", ...range },
        sizeBytes: end - offset,
        open: () => counted(source.read(offset, end), offset, options.onProgress),
        ...{ failing, signal: options.signal },
      },
    );
  } catch (error) {
    const isBroken = error instanceof TspodError && error.code === "registry.unreachable";
    if (!isBroken) throw error;
    return { kind: "interrupted", error, retryAfterMs: 0 };
  }
  if (response.ok) {
    await response.body?.cancel();
    session.hasTaken ||= !isLast;
    if (isLast) return "done";
    session.offset = endOf(response) ?? end;
    session.url = locationOf(work, response, session.url);
    return undefined;
  }
  if ([301, 302, 307, 308].includes(response.status)) {
    await response.body?.cancel();
    const error = new TspodError(
      "registry.failed",
      `Cannot push "${failing.what}": ${failing.registry} sends uploads in circles`,
    );
    return { kind: "moved", error, url: locationOf(work, response, session.url) };
  }
  return refused(work, session, response);
}

async function refused(work: Work, session: Session, response: Response): Promise<Failure> {
  const { client, failing } = work;
  const { limits } = client.transport;
  const { status } = response;
  const seconds = Number(response.headers.get("retry-after") ?? 0);
  const error = await client.refusal(response, failing);
  if (status === 413) return { kind: "too large", error };
  if (status === 408 || status === 429 || status >= 500) {
    if (status === 501 && !session.isWhole) return { kind: "no chunks", error };
    const retryAfterMs = Number.isFinite(seconds) ? seconds * 1000 : 0;
    if (retryAfterMs > limits.retryAfterMsMax) throw error;
    return { kind: "interrupted", error, retryAfterMs };
  }
  if (status === 404 || status === 416) return { kind: "lost", error };
  const isUnproven = !session.isWhole && !session.hasTaken;
  if (isUnproven && [400, 405, 411, 415].includes(status)) return { kind: "no chunks", error };
  // the digest is wrong: of bytes that came in two parts, once more in one
  if (status === 400 && session.hasResumed) return { kind: "lost", error };
  throw error;
}

/** Where to go on after a failure. */
async function recover(work: Work, session: Session, failure: Failure): Promise<Session> {
  if (failure.kind === "moved") return { ...session, url: failure.url };
  if (failure.kind === "no chunks") return beginAgain(work, { ...session, isWhole: true });
  if (failure.kind === "lost") return beginAgain(work, session);
  if (failure.kind === "too large") {
    const smaller = Math.min(session.chunkSizeBytes, work.source.sizeBytes) / 4;
    if (smaller < chunkSizeBytesMin) throw failure.error;
    const size = Math.ceil(smaller);
    return beginAgain(work, { ...session, isWhole: false, chunkSizeBytes: size });
  }
  const { client, endpoint, source, options, failing } = work;
  const isOurs = new URL(session.url).origin === client.transport.origin(endpoint);
  if (!isOurs) return beginAgain(work, session);
  const path = session.url.slice(client.transport.origin(endpoint).length);
  const response = await client.send(endpoint, { path, failing, signal: options.signal });
  await response.body?.cancel();
  const offset = response.ok ? endOf(response) : undefined;
  if (offset === undefined || offset === 0 || offset > source.sizeBytes) {
    return beginAgain(work, session);
  }
  options.onProgress(offset);
  const url = locationOf(work, response, session.url);
  return { ...session, url, offset, isWhole: false, hasResumed: true };
}

/** "Range: 0-99": 100 bytes are there. "0-0" is what registries say of none at all. */
function endOf(response: Response): number | undefined {
  const last = /^(?:bytes=)?0-(\d{1,15})$/.exec(response.headers.get("range") ?? "")?.[1];
  if (last === undefined) return undefined;
  return last === "0" ? 0 : Number(last) + 1;
}

/** Where to send the next bytes: an address or a part of one, with or without a query. */
function locationOf({ client, endpoint, failing }: Work, response: Response, base: string): string {
  const location = response.headers.get("location") ?? base;
  const url = URL.canParse(location, base) ? new URL(location, base) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.username !== "") {
    throw new TspodError(
      "registry.failed",
      `Cannot push "${failing.what}": ${failing.registry} names no usable place for uploads`,
      { next: "it is the registry's fault, or a proxy's" },
    );
  }
  // behind a proxy that ends TLS, registries believe that they speak plain HTTP
  if (url.host === endpoint.host)
    url.protocol = new URL(client.transport.origin(endpoint)).protocol;
  url.hash = "";
  return url.href;
}

function withDigest(url: string, digest: Digest): string {
  return `${url}${url.includes("?") ? "&" : "?"}digest=${encodeURIComponent(digest)}`;
}

async function* counted(
  pieces: AsyncIterable<Uint8Array>,
  start: number,
  onProgress: (bytes: number) => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  let bytes = start;
  for await (const piece of pieces) {
    yield piece;
    bytes += piece.length;
    onProgress(bytes);
  }
}
