/** The real registry seen through a wire that does harm: a proxy that may answer, bend or cut what passes. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { sharedRegistry } from "./debian-registry.ts";

export interface Asked {
  method: string;
  path: string;
  range: string | undefined;
}

/** "cut": half of the body, then a dead connection. Nothing: let it pass. */
type Fate = Response | "cut" | undefined;
export type Fault = (asked: Asked, through: () => Promise<Response>) => Fate | Promise<Fate>;

export interface FaultyRegistry extends AsyncDisposable {
  address: string;
  /** Method and path of every request, in order. */
  requests: string[];
}

export async function faultyRegistry(fault: Fault): Promise<FaultyRegistry> {
  const { address } = await sharedRegistry();
  const requests: string[] = [];
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { method = "GET", url: path = "/", headers } = request;
    const asked = { method, path, range: headers.range };
    requests.push(`${asked.method} ${asked.path}`);
    const through = (): Promise<Response> =>
      fetch(`http://${address}${asked.path}`, {
        method: asked.method,
        headers: passedOn(request),
        decompress: false,
      });
    const fate = await fault(asked, through);
    if (fate === "cut") await sendHalf(await through(), response);
    else await send(fate ?? (await through()), response);
  };
  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy()); // a client that hung up, or a dead end by intention
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo; // listening on TCP
  return {
    address: `127.0.0.1:${port}`,
    requests,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

function passedOn(request: IncomingMessage): Headers {
  const headers = new Headers({ "accept-encoding": "identity" });
  for (const name of ["accept", "range", "authorization"]) {
    const value = request.headers[name];
    if (typeof value === "string") headers.set(name, value);
  }
  return headers;
}

async function send(answer: Response, response: ServerResponse): Promise<void> {
  response.writeHead(answer.status, Object.fromEntries(answer.headers));
  if (answer.body === null) return void response.end();
  for await (const chunk of Readable.fromWeb(answer.body as never)) {
    if (response.destroyed) return;
    if (!response.write(chunk)) await new Promise((resume) => response.once("drain", resume));
  }
  response.end();
}

async function sendHalf(answer: Response, response: ServerResponse): Promise<void> {
  const bytes = new Uint8Array(await answer.arrayBuffer());
  response.writeHead(answer.status, Object.fromEntries(answer.headers));
  response.write(bytes.subarray(0, bytes.length / 2), () => response.destroy());
}

export const isBlob = ({ path }: Asked): boolean => path.includes("/blobs/sha256:");
export const isManifest = ({ path }: Asked): boolean => path.includes("/manifests/");
