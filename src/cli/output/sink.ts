/** Many bytes to a descriptor of ours, in order, while others of this process go on. */
import { write } from "node:fs";

/** A descriptor that does not wait (some terminals' and ssh's) is asked again after this. */
const fullMs = 5;

export function descriptorSink(descriptor: number): { write(chunk: Uint8Array): Promise<void> } {
  return {
    async write(chunk) {
      for (let done = 0; done < chunk.length;) {
        try {
          done += await writeSome(descriptor, chunk.subarray(done));
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
          await Bun.sleep(fullMs);
        }
      }
    },
  };
}

function writeSome(descriptor: number, bytes: Uint8Array): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  write(descriptor, bytes, 0, bytes.length, null, (error, written) =>
    error === null ? resolve(written) : reject(error),
  );
  return promise;
}
