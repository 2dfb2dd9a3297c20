/**
 * A registry in this process that takes uploads, and breaks off, forgets, redirects or refuses as a test tells it. What it
 * has taken it hashes, as an honest one does.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { digestOf } from "./scripted-registry.ts";

export interface UploadRequest {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly range: string | undefined;
  readonly length: string | undefined;
  readonly authorization: string | undefined;
  /** How often that method was used before. */
  readonly count: number;
}

export interface UploadReply {
  status?: number;
  headers?: Record<string, string>;
  body?: string;
  /** So many bytes of the body are taken, then the connection is dead. */
  breakAfter?: number;
  /** Also, before the reply: what an honest registry does with the body. */
  takes?: boolean;
}

export interface UploadRegistry extends AsyncDisposable {
  readonly address: string;
  readonly requests: UploadRequest[];
  readonly blobs: Map<string, Buffer>;
  readonly manifests: Map<string, { type: string; text: string }>;
  bytesTaken: number;
}

export interface UploadOptions {
  /** Undefined: what an honest registry does. */
  readonly script?: (request: UploadRequest) => UploadReply | undefined;
  /** Where an upload goes on; absent: an address with a query that changes with each request. */
  readonly location?: (id: string, address: string) => string;
  /** Repository -> digests that can be mounted from it. */
  readonly mountable?: Record<string, string[]>;
  readonly minimumChunk?: number;
  /** What is uploaded goes to another server. */
  readonly isElsewhere?: boolean;
}

export async function startUploadRegistry(options: UploadOptions = {}): Promise<UploadRegistry> {
  const uploads = new Map<string, Buffer>();
  const counts = new Map<string, number>();
  const server = createServer((request, response) => {
    serve(request, response).catch(() => response.destroy()); // a client that went away
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo; // listening on TCP
  const address = `127.0.0.1:${port}`;
  let version = 0;
  const location =
    options.location ??
    ((id: string) => `http://${address}/v2/team/app/blobs/uploads/${id}?state=${++version}`);
  const registry: UploadRegistry = {
    ...{ address, requests: [], blobs: new Map(), manifests: new Map(), bytesTaken: 0 },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
    },
  };

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = "", url: path = "", headers } = request;
    const count = (counts.get(method) ?? 0) + 1;
    counts.set(method, count);
    const asked = {
      ...{ method, path, count, range: headers["content-range"] },
      ...{ length: headers["content-length"], authorization: headers.authorization },
    };
    registry.requests.push(asked);
    const reply = options.script?.(asked);
    const id = /\/uploads\/([\w-]+)/.exec(path)?.[1] ?? "";
    const takes = reply === undefined || reply.takes === true || reply.breakAfter !== undefined;
    const body = await receive(request, reply?.breakAfter);
    const isUpload = method === "PATCH" || method === "PUT";
    if (takes && isUpload && uploads.has(id)) {
      registry.bytesTaken += body.length;
      uploads.set(id, Buffer.concat([uploads.get(id) ?? Buffer.alloc(0), body]));
    }
    if (reply?.breakAfter !== undefined) return void request.socket.destroy();
    const answer = reply ?? honest(method, new URL(path, `http://${address}`), id, body, headers);
    response.writeHead(answer.status ?? 200, answer.headers);
    response.end(answer.body);
  }

  function honest(
    method: string,
    { pathname, searchParams }: URL,
    id: string,
    body: Buffer,
    headers: IncomingMessage["headers"],
  ): UploadReply {
    if (pathname.includes("/manifests/")) {
      const text = body.toString();
      registry.manifests.set(pathname, { type: headers["content-type"] ?? "", text });
      return { status: 201, headers: { "docker-content-digest": digestOf(text) } };
    }
    const last = pathname.split("/").at(-1) ?? "";
    if (method === "HEAD") return { status: registry.blobs.has(last) ? 200 : 404 };
    if (method === "POST") return start(searchParams);
    const held = uploads.get(id);
    if (held === undefined)
      return { status: 404, body: '{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN"}]}' };
    const place = { location: location(id, address), range: `0-${Math.max(held.length - 1, 0)}` };
    if (method === "GET") return { status: 204, headers: place };
    if (method === "PATCH") return { status: 202, headers: place };
    const digest = searchParams.get("digest") ?? "";
    if (digestOf(held) !== digest) {
      return { status: 400, body: '{"errors":[{"code":"DIGEST_INVALID"}]}' };
    }
    registry.blobs.set(digest, held);
    uploads.delete(id);
    return { status: 201 };
  }

  function start(query: URLSearchParams): UploadReply {
    const from = query.get("from") ?? "";
    if (options.mountable?.[from]?.includes(query.get("mount") ?? "")) return { status: 201 };
    const id = crypto.randomUUID();
    uploads.set(id, Buffer.alloc(0));
    const minimum =
      options.minimumChunk === undefined
        ? {}
        : { "oci-chunk-min-length": String(options.minimumChunk) };
    return { status: 202, headers: { location: location(id, address), ...minimum } };
  }

  return registry;
}

async function receive(request: IncomingMessage, atMost = Infinity): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of request) {
    pieces.push(piece as Buffer); // no encoding is set
    size += (piece as Buffer).length;
    if (size >= atMost) return Buffer.concat(pieces).subarray(0, atMost);
  }
  return Buffer.concat(pieces);
}
