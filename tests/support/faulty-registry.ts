/** The real registry seen through a wire that does harm: a proxy that may answer, bend or cut what passes. */
import { sharedRegistry } from "./debian-registry.ts";

/** Return an answer instead of the registry's, or nothing to let the request through. */
export type Fault = (request: Request, through: () => Promise<Response>) => Fate;
type Fate = Response | undefined | Promise<Response | undefined>;

export interface FaultyRegistry extends AsyncDisposable {
  address: string;
  /** Method and path of every request, in order. */
  requests: string[];
}

export async function faultyRegistry(fault: Fault): Promise<FaultyRegistry> {
  const { address } = await sharedRegistry();
  const requests: string[] = [];
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    idleTimeout: 60,
    fetch: async (request) => {
      const { pathname, search } = new URL(request.url);
      requests.push(`${request.method} ${pathname}`);
      const through = async (): Promise<Response> => {
        const headers = new Headers(request.headers);
        headers.delete("host");
        headers.set("accept-encoding", "identity");
        const { method } = request;
        return await fetch(`http://${address}${pathname}${search}`, { method, headers });
      };
      return (await fault(request, through)) ?? (await through());
    },
  });
  return {
    address: `127.0.0.1:${server.port}`,
    requests,
    [Symbol.asyncDispose]: async () => await server.stop(true),
  };
}

export const isBlob = (request: Request): boolean => /\/blobs\/sha256:/.test(request.url);
export const isManifest = (request: Request): boolean => /\/manifests\//.test(request.url);
