/** The distribution-spec client (1.1): manifests and blobs of one repository at one endpoint. Knows no disk. */
import { TspodError } from "../errors.ts";
import {
  acceptedManifests,
  type Digest,
  digestOf,
  isDigest,
  manifestSizeBytesMax,
} from "../oci/index.ts";
import { createAuthenticator, type FindCredentials } from "./auth.ts";
import { type Answer, askForText, limitedText } from "./body.ts";
import { type Failing, responseError } from "./errors.ts";
import type { Endpoint } from "./registries-conf.ts";
import {
  createTransport,
  type HttpRequest,
  type HttpUpload,
  type Transport,
  type TransportOptions,
} from "./transport.ts";

export interface RegistryClientOptions extends TransportOptions {
  readonly findCredentials: FindCredentials;
  /** Asked for with every token besides what the registry asks for: "repository:team/app:pull,push". */
  readonly scopes?: readonly string[];
}

export interface FetchedManifest {
  readonly text: string;
  /** Of the bytes received. */
  readonly digest: Digest;
  readonly contentType: string;
}

export interface PushedManifest {
  readonly text: string;
  readonly mediaType: string;
  /** "quay.io/team/app:1": for errors. */
  readonly what: string;
}

export interface OpenBlobOptions {
  readonly offset: number;
  /** Before this byte it ends. */
  readonly end?: number;
  /** Not repeated here when it fails. */
  readonly isOnce?: boolean;
  readonly what: string;
  readonly signal: AbortSignal;
}

export interface RegistryClient {
  readonly transport: Transport;
  /** Connections that may be open beyond one a blob. */
  readonly spare: { count: number };
  /** A request as who we are to the endpoint. Statuses and errors are the transport's; 401 when nothing more can be tried. */
  send(endpoint: Endpoint, request: Omit<HttpRequest, "endpoint">): Promise<Response>;
  /** Same, with its whole body, asked again when that breaks off. Throws registry.too_large, unreachable. */
  ask(
    endpoint: Endpoint,
    request: Omit<HttpRequest, "endpoint">,
    sizeBytesMax: number,
  ): Promise<Answer>;
  /** Same, for bytes to an address that the endpoint has named; who we are is told to the endpoint only. */
  upload(endpoint: Endpoint, url: string, request: Omit<HttpUpload, "endpoint">): Promise<Response>;
  /** A body of at most 64 KiB as an error, in words. */
  refusal(response: Response, failing: Failing): Promise<TspodError>;
  /**
   * A manifest or an index by tag or digest, at most 4 MiB; by digest it is checked.
   * Throws image.not_found, registry.unauthorized, rate_limited, failed, unreachable, too_large, digest_mismatch.
   */
  fetchManifest(endpoint: Endpoint, tagOrDigest: string, what: string): Promise<FetchedManifest>;
  /**
   * Put a manifest or an index where `tagOrDigest` names it; what it names must be there.
   * Throws registry.*; registry.refused_manifest when the registry does not take this kind of it.
   */
  pushManifest(endpoint: Endpoint, tagOrDigest: string, manifest: PushedManifest): Promise<void>;
  /**
   * A request for a blob's bytes from `offset` (to before `end`); the answer is 206, or 200 when the registry cannot resume.
   * Throws as above. The body is neither read nor checked.
   */
  openBlob(endpoint: Endpoint, digest: Digest, options: OpenBlobOptions): Promise<Response>;
}

export function createRegistryClient(options: RegistryClientOptions): RegistryClient {
  const transport = createTransport(options);
  const authenticator = createAuthenticator(transport, options.findCredentials, options.scopes);

  /** Asked at most twice, for a cached token may have been revoked. */
  async function asOurselves(
    endpoint: Endpoint,
    failing: Failing,
    attempt: (headers: Record<string, string>) => Promise<Response>,
  ): Promise<Response> {
    for (let count = 1; ; count++) {
      const used = await authenticator.header(endpoint);
      const response = await attempt(used ? { authorization: used } : {});
      if (response.status !== 401 || count > 2) return response;
      if (!(await authenticator.answer(endpoint, { response, used, failing }))) return response;
      await response.body?.cancel();
    }
  }

  function send(endpoint: Endpoint, request: Omit<HttpRequest, "endpoint">): Promise<Response> {
    return asOurselves(endpoint, request.failing, (own) =>
      transport.send({ ...request, endpoint, headers: { ...request.headers, ...own } }),
    );
  }

  function ask(
    endpoint: Endpoint,
    request: Omit<HttpRequest, "endpoint">,
    sizeBytesMax: number,
  ): Promise<Answer> {
    return askForText(() => send(endpoint, request), sizeBytesMax, transport, request.failing);
  }

  function upload(
    endpoint: Endpoint,
    url: string,
    request: Omit<HttpUpload, "endpoint">,
  ): Promise<Response> {
    if (new URL(url).origin !== transport.origin(endpoint)) {
      return transport.upload(url, { ...request, endpoint });
    }
    return asOurselves(endpoint, request.failing, (own) =>
      transport.upload(url, { ...request, endpoint, headers: { ...request.headers, ...own } }),
    );
  }

  async function refusal(response: Response, failing: Failing): Promise<TspodError> {
    const body = await limitedText(response, errorBodySizeBytesMax, transport, failing);
    const retryAfter = response.headers.get("retry-after") ?? "";
    return responseError(failing, { status: response.status, body, retryAfter });
  }

  async function fetchManifest(
    endpoint: Endpoint,
    tagOrDigest: string,
    what: string,
  ): Promise<FetchedManifest> {
    const failing = { what, registry: endpoint.registry };
    const path = `/v2/${endpoint.repository}/manifests/${tagOrDigest}`;
    const headers = { accept: acceptedManifests.join(", ") };
    const request = { path, headers, failing };
    const { response, text } = await ask(endpoint, request, manifestSizeBytesMax);
    if (!response.ok) throw responseError(failing, { status: response.status, body: text });
    const digest = digestOf(text);
    if (isDigest(tagOrDigest) && digest !== tagOrDigest)
      throw digestMismatch(failing, tagOrDigest, digest);
    return { text, digest, contentType: response.headers.get("content-type") ?? "" };
  }

  async function pushManifest(
    endpoint: Endpoint,
    tagOrDigest: string,
    { text, mediaType, what }: PushedManifest,
  ): Promise<void> {
    const failing = { what, registry: endpoint.registry, verb: "push" };
    const path = `/v2/${endpoint.repository}/manifests/${tagOrDigest}`;
    const headers = { "content-type": mediaType };
    const response = await send(endpoint, { method: "PUT", path, headers, body: text, failing });
    if (!response.ok) {
      const error = await refusal(response, failing);
      if (![400, 405, 406, 415].includes(response.status)) throw error;
      const { message, next } = error;
      throw new TspodError("registry.refused_manifest", message, {
        ...(next === undefined ? {} : { next }),
      });
    }
    await response.body?.cancel();
    const stored = response.headers.get("docker-content-digest") ?? "";
    if (stored === "" || stored === digestOf(text)) return;
    throw new TspodError(
      "registry.digest_mismatch",
      `Cannot push "${what}": ${endpoint.registry} says it has ${stored.slice(0, 100)} instead of ${digestOf(text)}`,
      { next: "it changes what it is given: the registry or a proxy before it is broken" },
    );
  }

  async function openBlob(
    endpoint: Endpoint,
    digest: Digest,
    { offset, end, isOnce = false, what, signal }: OpenBlobOptions,
  ): Promise<Response> {
    const failing = { what, registry: endpoint.registry };
    const path = `/v2/${endpoint.repository}/blobs/${digest}`;
    const last = end === undefined ? "" : String(end - 1);
    const isPart = offset > 0 || end !== undefined;
    const headers: Record<string, string> = isPart ? { range: `bytes=${offset}-${last}` } : {};
    const response = await send(endpoint, { path, headers, failing, signal, isOnce });
    if (response.ok || response.status === 416) return response;
    if (response.status !== 404) throw await refusal(response, failing);
    await response.body?.cancel();
    throw new TspodError(
      "registry.failed",
      `Cannot pull "${what}": ${endpoint.registry} has lost blob ${digest}`,
      { next: "ask its publisher to push it again" },
    );
  }

  const spare = { count: transport.limits.rangeConnectionsMax };
  return { transport, spare, send, ask, upload, refusal, fetchManifest, pushManifest, openBlob };
}

const errorBodySizeBytesMax = 64 * 1024;

/** The bytes are not what their name promises: a broken proxy, a broken disk, or an attack. */
export function digestMismatch(
  { what, registry }: Failing,
  wanted: Digest,
  got: Digest,
): TspodError {
  return new TspodError(
    "registry.digest_mismatch",
    `Cannot use "${what}": ${registry} sent ${got} instead of ${wanted}`,
    { next: "try again; if it stays so, the registry or a proxy before it is broken" },
  );
}
