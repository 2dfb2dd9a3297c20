/**
 * A registry in this process that does what a test tells it: serve an image, and lie, stall, truncate, redirect, refuse
 * or drop the connection at any byte. Raw sockets, for an honest HTTP server cannot be made to do such things.
 */
import { createServer, type Server, type Socket } from "node:net";
import { tarOf, type Entry } from "./oci-image.ts";

export interface ScriptedRequest {
  method: string;
  path: string;
  /** Names in lower case. */
  headers: Record<string, string>;
}

export interface Reply {
  status?: number;
  headers?: Record<string, string>;
  body?: string | Uint8Array;
  /** After so many bytes of the body (-1: before the head) the connection ends like this. */
  breakAt?: { bytes: number; how: "close" | "reset" | "stall" };
}

/** Undefined: what an honest registry with that image would say. */
export type Script = (request: ScriptedRequest, attempt: number) => Reply | undefined;

export interface ScriptedRegistry extends AsyncDisposable {
  /** "127.0.0.1:port", plain HTTP. */
  address: string;
  requests: ScriptedRequest[];
  /** Bytes of blob bodies handed out. */
  blobBytesSent: number;
  /** How often that path was asked for. */
  count(pathPart: string): number;
}

export interface ScriptedImage {
  /** Base first: what is stored, compressed already. */
  blobs: Uint8Array[];
  manifest: string;
  manifestType: string;
  config: string;
  digests: { manifest: string; config: string; layers: string[] };
}

export interface ImageOptions {
  layers?: Uint8Array[];
  compress?: (tar: Uint8Array) => Uint8Array;
  /** Changes to the honest documents. */
  config?: Record<string, unknown>;
  manifest?: Record<string, unknown>;
}

export const digestOf = (bytes: string | Uint8Array): string =>
  `sha256:${new Bun.CryptoHasher("sha256").update(bytes).digest("hex")}`;

const gzip = (tar: Uint8Array): Uint8Array => Bun.gzipSync(new Uint8Array(tar));

/** One file a layer, unless told otherwise. */
export async function scriptedImage(options: ImageOptions = {}): Promise<ScriptedImage> {
  const tars = options.layers ?? [await tarOf([{ path: "hello.txt", content: "hello" }])];
  const compress = options.compress ?? gzip;
  const blobs = tars.map((tar) => compress(tar));
  const config = JSON.stringify({
    ...{ os: "linux", architecture: process.arch === "x64" ? "amd64" : "arm64" },
    config: { Cmd: ["sh"] },
    rootfs: { type: "layers", diff_ids: tars.map(digestOf) },
    ...options.config,
  });
  const manifestType = "application/vnd.oci.image.manifest.v1+json";
  const describe = (mediaType: string, bytes: string | Uint8Array): object => ({
    ...{ mediaType, digest: digestOf(bytes), size: Buffer.byteLength(bytes) },
  });
  const manifest = JSON.stringify({
    ...{ schemaVersion: 2, mediaType: manifestType },
    config: describe("application/vnd.oci.image.config.v1+json", config),
    layers: blobs.map((blob) => describe("application/vnd.oci.image.layer.v1.tar+gzip", blob)),
    ...options.manifest,
  });
  const digests = {
    ...{ manifest: digestOf(manifest), config: digestOf(config), layers: blobs.map(digestOf) },
  };
  return { blobs, manifest, manifestType, config, digests };
}

/** A tar of one file with bytes that do not compress. */
export function randomLayer(sizeBytes: number, seed = 1): Promise<Uint8Array> {
  const bytes = new Uint8Array(sizeBytes);
  let state = seed;
  for (let i = 0; i < sizeBytes; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  const entry: Entry = { path: `random-${seed}`, content: bytes };
  return tarOf([entry]);
}

/** What an honest registry says. */
export function honest(image: ScriptedImage, { path, headers }: ScriptedRequest): Reply {
  if (/\/v2\/.+\/manifests\//.test(path)) {
    const wanted = path.split("/").at(-1) ?? "";
    if (wanted.startsWith("sha256:") && wanted !== image.digests.manifest) return notFound;
    return { headers: { "content-type": image.manifestType }, body: image.manifest };
  }
  const digest = /\/blobs\/(.+)$/.exec(path)?.[1] ?? "";
  const bytes =
    digest === image.digests.config
      ? Buffer.from(image.config)
      : image.blobs[image.digests.layers.indexOf(digest)];
  if (bytes === undefined) return notFound;
  const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? "") ?? [];
  if (first === undefined) return { body: bytes };
  const [from, end] = [Number(first), last ? Number(last) + 1 : bytes.length];
  const range = `bytes ${from}-${end - 1}/${bytes.length}`;
  return { status: 206, headers: { "content-range": range }, body: bytes.subarray(from, end) };
}

const notFound: Reply = {
  status: 404,
  body: '{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}',
};

export async function startScriptedRegistry(
  image: ScriptedImage,
  script: Script = () => undefined,
): Promise<ScriptedRegistry> {
  const sockets = new Set<Socket>();
  const attempts = new Map<string, number>();
  const registry: ScriptedRegistry = {
    ...{ address: "", requests: [], blobBytesSent: 0 },
    count: (part) => registry.requests.filter(({ path }) => path.includes(part)).length,
    [Symbol.asyncDispose]: () => stop(server, sockets),
  };
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => undefined); // tests break connections
    serve(socket, (request) => {
      registry.requests.push(request);
      const attempt = (attempts.get(request.path) ?? 0) + 1;
      attempts.set(request.path, attempt);
      const reply = script(request, attempt) ?? honest(image, request);
      const length = Buffer.byteLength(reply.body ?? "");
      if (request.path.includes("/blobs/") && (reply.status ?? 200) < 300) {
        registry.blobBytesSent += Math.min(length, Math.max(reply.breakAt?.bytes ?? length, 0));
      }
      return reply;
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const bound = server.address();
  registry.address = `127.0.0.1:${typeof bound === "object" ? bound?.port : ""}`;
  return registry;
}

function stop(server: Server, sockets: Set<Socket>): Promise<void> {
  for (const socket of sockets) socket.destroy();
  return new Promise((resolve) => server.close(() => resolve()));
}

function serve(socket: Socket, answer: (request: ScriptedRequest) => Reply): void {
  let received = "";
  socket.on("data", (chunk) => {
    received += chunk.toString("latin1");
    // a TLS hello: not HTTP
    if (received.charCodeAt(0) === 0x16) return socket.destroy();
    for (let end = received.indexOf("\r\n\r\n"); end >= 0; end = received.indexOf("\r\n\r\n")) {
      const request = parseHead(received.slice(0, end));
      const bodyLength = Number(request.headers["content-length"] ?? 0);
      received = received.slice(end + 4 + bodyLength);
      send(socket, answer(request));
    }
  });
}

function parseHead(head: string): ScriptedRequest {
  const [first = "", ...lines] = head.split("\r\n");
  const [method = "", path = ""] = first.split(" ");
  const headers = lines.map((line) => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
  });
  return { method, path, headers: Object.fromEntries(headers) as Record<string, string> };
}

function send(socket: Socket, { status = 200, headers = {}, body = "", breakAt }: Reply): void {
  const bytes = Buffer.from(body);
  const head = { "content-length": String(bytes.length), ...headers };
  const lines = Object.entries(head).map(([name, value]) => `${name}: ${value}\r\n`);
  const text = `HTTP/1.1 ${status} Scripted\r\n${lines.join("")}\r\n`;
  if (breakAt === undefined) {
    socket.write(Buffer.concat([Buffer.from(text), bytes]));
    return;
  }
  const part = bytes.subarray(0, Math.max(breakAt.bytes, 0));
  const sent = breakAt.bytes < 0 ? Buffer.alloc(0) : Buffer.concat([Buffer.from(text), part]);
  socket.write(sent, () => {
    if (breakAt.how === "close") socket.end();
    if (breakAt.how === "reset") socket.resetAndDestroy();
  });
}
