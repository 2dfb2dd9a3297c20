/**
 * One HTTP exchange with a registry: time-outs, retries with back-off and Retry-After, the choice between TLS and
 * plain HTTP, errors in words. Knows nothing of authentication or of what is fetched.
 */
import ky, { HTTPError, type KyInstance } from "ky";
import { TspodError } from "../errors.ts";
import {
  errorCode,
  type Failing,
  isNotTls,
  isUnknownAuthority,
  isTemporary,
  networkError,
  responseError,
} from "./errors.ts";
import { type Endpoint, isLoopback } from "./registries-conf.ts";

export interface TransportOptions {
  readonly signal: AbortSignal;
  /** Told before each further attempt. */
  readonly onRetry: (message: string) => void;
  readonly limits?: Partial<TransportLimits>;
  /** What a host is to be trusted by, and who we are to it; absent: the usual authorities, nobody. */
  readonly certificates?: (host: string) => Certificates | undefined;
  /** This machine's authorities in PEM: asked when a certificate is from none of those that Bun knows. */
  readonly machineAuthorities?: () => readonly string[];
  /** What earlier commands have learnt; absent: every client learns anew. */
  readonly plainPorts?: PlainPorts;
}

/**
 * Of the ports that may speak plain HTTP, those that do: "127.0.0.1:5000". A greeting in TLS, which such a one does not
 * understand, takes the client longer than a request.
 */
export interface PlainPorts {
  has(host: string): boolean;
  set(host: string, isPlain: boolean): void;
}

/** PEM texts. */
export interface Certificates {
  /** Authorities besides the usual ones. */
  readonly authorities: readonly string[];
  readonly client?: { readonly certificate: string; readonly key: string };
}

export interface TransportLimits {
  /** Until the head of a response is here. */
  headTimeoutMs: number;
  /** Same, where a registry may first look at all that was sent to it. */
  commitTimeoutMs: number;
  /** A body may pause this long. */
  stallTimeoutMs: number;
  /** Attempts after the first. */
  retryCountMax: number;
  /** Before the first repetition; doubled each time, with jitter. */
  retryDelayMs: number;
  retryDelayMsMax: number;
  /** A server that asks for more patience is told to the user instead. */
  retryAfterMsMax: number;
  /** What is larger is sent in chunks of this size: so much is lost when a connection breaks. */
  uploadChunkSizeBytes: number;
  /** A blob of which much is missing after so long is fetched over several connections, */
  rangePatienceMs: number;
  /** in pieces of this size, */
  rangeSizeBytes: number;
  /** over so many more at most, for all blobs together. */
  rangeConnectionsMax: number;
}

export const defaultLimits: TransportLimits = {
  headTimeoutMs: 30_000,
  commitTimeoutMs: 300_000,
  stallTimeoutMs: 30_000,
  retryCountMax: 4,
  retryDelayMs: 500,
  retryDelayMsMax: 10_000,
  retryAfterMsMax: 60_000,
  uploadChunkSizeBytes: 64 * 1024 * 1024,
  rangePatienceMs: 1_000,
  rangeSizeBytes: 16 * 1024 * 1024,
  rangeConnectionsMax: 4,
};

export interface HttpRequest {
  readonly endpoint: Pick<Endpoint, "host" | "isInsecure" | "isStrict">;
  readonly method?: "GET" | "HEAD" | "POST" | "PUT" | "DELETE";
  /** "/v2/library/alpine/manifests/latest". */
  readonly path: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
  readonly failing: Failing;
  /** Gives up this exchange, its body included. */
  readonly signal?: AbortSignal;
  /** Not tried again here. */
  readonly isOnce?: boolean;
}

/** Bytes on their way up. */
export interface HttpUpload extends Omit<HttpRequest, "path" | "body" | "method"> {
  readonly method: "PUT" | "PATCH";
  readonly sizeBytes: number;
  /** Anew for each attempt; a piece is asked for when the connection takes it. */
  readonly open: () => AsyncIterable<Uint8Array>;
}

export interface Transport {
  readonly limits: TransportLimits;
  readonly signal: AbortSignal;
  readonly onRetry: (message: string) => void;
  /** The response whatever its status, except 408, 429 and 5xx, which are errors once attempts are used up. */
  send(request: HttpRequest): Promise<Response>;
  /** Same, for a whole URL (a token service). */
  sendTo(url: string, request: Omit<HttpRequest, "path">): Promise<Response>;
  /** One attempt, whatever the answer: whoever sends bytes knows better than we from where to go on. */
  upload(url: string, request: HttpUpload): Promise<Response>;
  /** "https://127.0.0.1:5000", once something was sent to that endpoint. */
  origin(endpoint: HttpRequest["endpoint"]): string;
}

const retriedStatuses = [408, 429, 500, 502, 503, 504];

export function createTransport(options: TransportOptions): Transport {
  const { signal, onRetry, limits: given } = options;
  const limits = { ...defaultLimits, ...given };
  const client = createClient(limits, signal);
  /** Hosts whose certificates are from an authority that only this machine knows. */
  const trustedHere = new Set<string>();
  const machineAuthorities = (): readonly string[] => options.machineAuthorities?.() ?? [];
  const certificates = (host: string): Certificates | undefined => {
    const own = options.certificates?.(host);
    if (!trustedHere.has(host) || (own?.authorities.length ?? 0) > 0) return own;
    return { ...own, authorities: machineAuthorities() };
  };

  /** What hosts that may be plain HTTP turned out to speak. */
  const schemes = new Map<string, "http" | "https">();

  async function sendTo(
    url: string,
    request: Omit<HttpRequest, "path">,
    isProbe = false,
  ): Promise<Response> {
    const { endpoint, failing } = request;
    try {
      return await client(url, {
        method: request.method ?? "GET",
        signal: request.signal ?? signal,
        headers: { "user-agent": "tspod", "accept-encoding": "identity", ...request.headers },
        ...(request.body === undefined ? {} : { body: request.body }),
        ...bunOptions(endpoint, url, certificates),
        ...(isProbe
          ? { retry: { shouldRetry: ({ error }) => shouldRetryProbe(error, limits) } }
          : {}),
        ...(request.isOnce === true ? { retry: { shouldRetry: () => false } } : {}),
        hooks: {
          beforeRetry: [
            ({ error, retryCount }) => onRetry(retryMessage(failing, error, retryCount)),
          ],
        },
      });
    } catch (error) {
      const { host } = new URL(url);
      const isNew = isUnknownAuthority(error) && !trustedHere.has(host);
      if (isNew && machineAuthorities().length > 0) {
        trustedHere.add(host);
        return sendTo(url, request, isProbe);
      }
      throw explain(failing, error, request.signal ?? signal);
    }
  }

  async function send(request: HttpRequest): Promise<Response> {
    const { host } = request.endpoint;
    const known = mayBePlain(request.endpoint) ? schemes.get(host) : "https";
    if (known !== undefined) return sendTo(`${known}://${host}${request.path}`, request);
    // a port speaks one of both; a host without one has a port for each
    const ports = /:\d+$/.test(host) ? options.plainPorts : undefined;
    const isUsuallyPlain = ports?.has(host) === true;
    if (isUsuallyPlain) {
      const response = await sendAsBefore(request);
      if (response !== undefined) return response;
    }
    try {
      const response = await sendTo(`https://${host}${request.path}`, request, true);
      schemes.set(host, "https");
      if (isUsuallyPlain) ports?.set(host, false);
      return response;
    } catch (error) {
      if (!isNotTls((error as Error).cause)) throw error;
    }
    schemes.set(host, "http");
    const response = await sendTo(`http://${host}${request.path}`, request);
    if (!isUsuallyPlain) ports?.set(host, true);
    return response;
  }

  /** Undefined when it is not as it was: no answer, or the one that a server with TLS has for plain HTTP. */
  async function sendAsBefore(request: HttpRequest): Promise<Response | undefined> {
    const { host } = request.endpoint;
    try {
      const response = await sendTo(`http://${host}${request.path}`, request, true);
      if (response.status === 400) return void (await response.body?.cancel());
      schemes.set(host, "http");
      return response;
    } catch (error) {
      const isUnusable = error instanceof TspodError && error.code === "registry.unreachable";
      if (!isUnusable || (error.cause as Error).name === "TimeoutError") throw error;
      return undefined;
    }
  }

  async function upload(url: string, request: HttpUpload): Promise<Response> {
    const { endpoint, failing, method, headers, sizeBytes, open } = request;
    const watch = watchUpload(limits, [signal, ...(request.signal ? [request.signal] : [])]);
    try {
      return await fetch(url, {
        ...{ method, redirect: "manual", signal: watch.signal },
        headers: { "user-agent": "tspod", "content-length": String(sizeBytes), ...headers },
        ...(sizeBytes === 0 ? {} : { body: streamOf(watch.over(open())) }),
        ...bunOptions(endpoint, url, certificates),
      });
    } catch (error) {
      throw watch.sourceError() ?? explain(failing, error, request.signal ?? signal);
    } finally {
      watch[Symbol.dispose]();
    }
  }

  function origin(endpoint: HttpRequest["endpoint"]): string {
    const scheme = mayBePlain(endpoint) ? (schemes.get(endpoint.host) ?? "https") : "https";
    return `${scheme}://${endpoint.host}`;
  }

  return { limits, signal, onRetry, send, sendTo, upload, origin };
}

/** docker's rule: this machine may be plain HTTP without anybody saying so, unless somebody says it is not. */
function mayBePlain({ host, isInsecure, isStrict }: HttpRequest["endpoint"]): boolean {
  return isInsecure || (isLoopback(host) && isStrict !== true);
}

/** One piece is asked for when the one before it is on its way: no more is in memory. */
function streamOf(pieces: AsyncGenerator<Uint8Array, void, undefined>): ReadableStream<Uint8Array> {
  const source = {
    async pull(controller: ReadableStreamDefaultController<Uint8Array>) {
      const piece = await pieces.next();
      if (piece.done === true) controller.close();
      else controller.enqueue(piece.value);
    },
    async cancel() {
      await pieces.return();
    },
  };
  return new ReadableStream<Uint8Array>(source, { highWaterMark: 0 });
}

/** Gives up when no more is taken for a while, or when all is taken and no answer comes. */
function watchUpload(limits: TransportLimits, signals: AbortSignal[]) {
  const stalled = new AbortController();
  const giveUp = (): void =>
    stalled.abort(Object.assign(new Error("stalled"), { name: "TimeoutError" }));
  let timer = setTimeout(giveUp, limits.commitTimeoutMs);
  let sourceError: unknown;
  const restart = (timeoutMs: number): void => {
    clearTimeout(timer);
    timer = setTimeout(giveUp, timeoutMs);
  };
  return {
    signal: AbortSignal.any([...signals, stalled.signal]),
    async *over(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
      restart(limits.stallTimeoutMs);
      try {
        for await (const piece of pieces) {
          yield piece;
          restart(limits.stallTimeoutMs);
        }
      } catch (error) {
        sourceError = error;
        throw error;
      }
      restart(limits.commitTimeoutMs);
    },
    /** Not of the connection: of what was to be sent. */
    sourceError: () => sourceError,
    [Symbol.dispose]: () => clearTimeout(timer),
  };
}

function createClient(limits: TransportLimits, signal: AbortSignal): KyInstance {
  return ky.create({
    signal,
    timeout: limits.headTimeoutMs,
    throwHttpErrors: (status) => retriedStatuses.includes(status),
    retry: {
      limit: limits.retryCountMax,
      methods: ["get", "head", "post", "put", "delete"],
      statusCodes: retriedStatuses,
      afterStatusCodes: [429, 503],
      delay: (attempt) => limits.retryDelayMs * 2 ** (attempt - 1),
      backoffLimit: limits.retryDelayMsMax,
      jitter: (delay) => delay * (0.5 + Math.random() / 2),
      shouldRetry: ({ error }) => shouldRetry(error, limits),
    },
  });
}

/** What Bun adds to fetch; ky hands it through. Digests are of the bytes sent: nothing is unpacked on the way. */
function bunOptions(
  { isInsecure }: HttpRequest["endpoint"],
  url: string,
  certificates: (host: string) => Certificates | undefined,
): object {
  const own = certificates(new URL(url).host);
  const tls = {
    ...(isInsecure ? { rejectUnauthorized: false } : {}),
    ...(own === undefined || own.authorities.length === 0 ? {} : { ca: own.authorities }),
    ...(own?.client === undefined ? {} : { cert: own.client.certificate, key: own.client.key }),
  };
  return { decompress: false, ...(Object.keys(tls).length === 0 ? {} : { tls }) };
}

/** Undefined leaves a status to ky, which honours Retry-After. */
function shouldRetry(error: unknown, limits: TransportLimits): boolean | undefined {
  if (!(error instanceof HTTPError)) return isTemporary(error);
  const seconds = Number(error.response.headers.get("retry-after") ?? 0);
  return seconds * 1000 > limits.retryAfterMsMax ? false : undefined;
}

/** Whoever does not understand what is spoken will not the next time either; an answer shows that it does. */
function shouldRetryProbe(error: unknown, limits: TransportLimits): boolean | undefined {
  return error instanceof HTTPError ? shouldRetry(error, limits) : false;
}

function retryMessage({ registry }: Failing, error: unknown, attempt: number): string {
  const what =
    error instanceof HTTPError
      ? `answered ${error.response.status}`
      : errorCode(error) || "does not answer";
  return `${registry} ${what}: trying again (${attempt})`;
}

function explain(failing: Failing, error: unknown, signal: AbortSignal): TspodError | unknown {
  if (signal.aborted) return signal.reason ?? error;
  if (error instanceof TspodError) return error; // of a certificate, before anything was sent
  if (error instanceof HTTPError) {
    const { status, headers } = error.response;
    const body = typeof error.data === "string" ? error.data : JSON.stringify(error.data ?? "");
    return responseError(failing, { status, body, retryAfter: headers.get("retry-after") ?? "" });
  }
  return networkError(failing, error);
}
