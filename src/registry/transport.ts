/**
 * One HTTP exchange with a registry: time-outs, retries with back-off and Retry-After, the choice between TLS and
 * plain HTTP, errors in words. Knows nothing of authentication or of what is fetched.
 */
import ky, { HTTPError, type KyInstance } from "ky";
import type { TspodError } from "../errors.ts";
import {
  errorCode,
  type Failing,
  isNotTls,
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
}

export interface TransportLimits {
  /** Until the head of a response is here. */
  headTimeoutMs: number;
  /** A body may pause this long. */
  stallTimeoutMs: number;
  /** Attempts after the first. */
  retryCountMax: number;
  /** Before the first repetition; doubled each time, with jitter. */
  retryDelayMs: number;
  retryDelayMsMax: number;
  /** A server that asks for more patience is told to the user instead. */
  retryAfterMsMax: number;
}

export const defaultLimits: TransportLimits = {
  headTimeoutMs: 30_000,
  stallTimeoutMs: 30_000,
  retryCountMax: 4,
  retryDelayMs: 500,
  retryDelayMsMax: 10_000,
  retryAfterMsMax: 60_000,
};

export interface HttpRequest {
  readonly endpoint: Pick<Endpoint, "host" | "isInsecure">;
  readonly method?: "GET" | "HEAD" | "POST";
  /** "/v2/library/alpine/manifests/latest". */
  readonly path: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
  readonly failing: Failing;
  /** Gives up this exchange, its body included. */
  readonly signal?: AbortSignal;
}

export interface Transport {
  readonly limits: TransportLimits;
  readonly signal: AbortSignal;
  readonly onRetry: (message: string) => void;
  /** The response whatever its status, except 408, 429 and 5xx, which are errors once attempts are used up. */
  send(request: HttpRequest): Promise<Response>;
  /** Same, for a whole URL (a token service). */
  sendTo(url: string, request: Omit<HttpRequest, "path">): Promise<Response>;
}

const retriedStatuses = [408, 429, 500, 502, 503, 504];

export function createTransport({ signal, onRetry, limits: given }: TransportOptions): Transport {
  const limits = { ...defaultLimits, ...given };
  const client = createClient(limits, signal);
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
        ...bunOptions(endpoint.isInsecure),
        // whoever drops a TLS greeting will do so again
        ...(isProbe ? { retry: { shouldRetry: () => false } } : {}),
        hooks: {
          beforeRetry: [
            ({ error, retryCount }) => onRetry(retryMessage(failing, error, retryCount)),
          ],
        },
      });
    } catch (error) {
      throw explain(failing, error, request.signal ?? signal);
    }
  }

  async function send(request: HttpRequest): Promise<Response> {
    const { host, isInsecure } = request.endpoint;
    const known = isInsecure || isLoopback(host) ? schemes.get(host) : "https";
    if (known !== undefined) return sendTo(`${known}://${host}${request.path}`, request);
    try {
      const response = await sendTo(`https://${host}${request.path}`, request, true);
      schemes.set(host, "https");
      return response;
    } catch (error) {
      if (!isNotTls((error as Error).cause)) throw error;
    }
    schemes.set(host, "http");
    return sendTo(`http://${host}${request.path}`, request);
  }

  return { limits, signal, onRetry, send, sendTo };
}

function createClient(limits: TransportLimits, signal: AbortSignal): KyInstance {
  return ky.create({
    signal,
    timeout: limits.headTimeoutMs,
    throwHttpErrors: (status) => retriedStatuses.includes(status),
    retry: {
      limit: limits.retryCountMax,
      methods: ["get", "head", "post"],
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
function bunOptions(isInsecure: boolean): object {
  return { decompress: false, ...(isInsecure ? { tls: { rejectUnauthorized: false } } : {}) };
}

/** Undefined leaves a status to ky, which honours Retry-After. */
function shouldRetry(error: unknown, limits: TransportLimits): boolean | undefined {
  if (!(error instanceof HTTPError)) return isTemporary(error);
  const seconds = Number(error.response.headers.get("retry-after") ?? 0);
  return seconds * 1000 > limits.retryAfterMsMax ? false : undefined;
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
  if (error instanceof HTTPError) {
    const { status, headers } = error.response;
    const body = typeof error.data === "string" ? error.data : JSON.stringify(error.data ?? "");
    return responseError(failing, { status, body, retryAfter: headers.get("retry-after") ?? "" });
  }
  return networkError(failing, error);
}
