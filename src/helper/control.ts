/** One request to a container's monitor over its control.sock: a JSON line each way. */
import { closeSync, openSync } from "node:fs";
import { basename, dirname } from "node:path";
import type { ControlReply, ControlRequest } from "./contract.ts";

/**
 * The monitor's answer, or null when no monitor answers there (the container is not running).
 * `wait` and `stop` take as long as the container does: pass a signal to give up.
 */
export function control(
  runtimeDir: string,
  request: ControlRequest,
  signal?: AbortSignal,
): Promise<ControlReply | null> {
  const { promise, resolve, reject } = Promise.withResolvers<ControlReply | null>();
  let answer = "";
  const decoder = new TextDecoder();
  const { path, release } = socketPath(`${runtimeDir}/control.sock`);
  const connection = Bun.connect({
    unix: path,
    socket: {
      open: (socket) => void socket.write(`${JSON.stringify(request)}\n`),
      data: (_, bytes) => void (answer += decoder.decode(bytes, { stream: true })),
      end: (socket) => void socket.end(),
      close: () => resolve(answer === "" ? null : (JSON.parse(answer) as ControlReply)),
      error: () => resolve(null),
      connectError: () => resolve(null),
    },
  });
  connection.catch(() => resolve(null)).finally(release); // nobody listens: not running
  signal?.addEventListener("abort", () => {
    void connection.then((socket) => socket.terminate()).catch(() => {});
    reject(signal.reason);
  });
  return promise;
}

/** sockaddr_un.sun_path holds 108 bytes with its final zero (unix(7)). */
const socketPathBytesMax = 107;

/** A path that fits: through a descriptor of the directory when the real one is too long. */
function socketPath(path: string): { path: string; release: () => void } {
  if (Buffer.byteLength(path) <= socketPathBytesMax) return { path, release: () => {} };
  try {
    const descriptor = openSync(dirname(path), "r");
    return {
      path: `/proc/self/fd/${descriptor}/${basename(path)}`,
      release: () => closeSync(descriptor),
    };
  } catch {
    return { path, release: () => {} }; // no directory: connecting says the same
  }
}
