/** An honest registry in this process that sends each body slowly: large blobs are fetched in pieces from such a one. */
import { honest, type ScriptedImage } from "./scripted-registry.ts";

export interface SlowRegistry extends AsyncDisposable {
  /** "127.0.0.1:port", plain HTTP. */
  address: string;
  /** Bodies that were being sent at one time, at most. */
  mostAtOnce: number;
}

/** 6 MB a second and connection at most: for 50 MB, half of what would make one connection enough (ranges.ts). */
const pieceBytes = 256 * 1024;
const pauseMs = 40;

export function startSlowRegistry(image: ScriptedImage): SlowRegistry {
  let atOnce = 0;
  async function* slowly(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
    registry.mostAtOnce = Math.max(registry.mostAtOnce, ++atOnce);
    try {
      for (let start = 0; start < bytes.length; start += pieceBytes) {
        yield bytes.subarray(start, start + pieceBytes);
        await Bun.sleep(pauseMs);
      }
    } finally {
      atOnce--;
    }
  }
  const server = Bun.serve({
    ...{ port: 0, hostname: "127.0.0.1", idleTimeout: 0 },
    fetch({ method, url, headers: given }) {
      const path = new URL(url).pathname;
      const reply = honest(image, { method, path, headers: given.toJSON() });
      const { status = 200, headers = {}, body = "" } = reply;
      const bytes = Buffer.from(body);
      const length = { "content-length": String(bytes.length) };
      return new Response(slowly(bytes) as never, { status, headers: { ...length, ...headers } }); // Bun takes generators
    },
  });
  const registry: SlowRegistry = {
    ...{ address: `127.0.0.1:${server.port}`, mostAtOnce: 0 },
    [Symbol.asyncDispose]: () => server.stop(true),
  };
  return registry;
}
