/** Many bytes to a descriptor of ours, in order, while others of this process go on. */
import { write } from "node:fs";
import { TspodError } from "../../errors.ts";

/** A descriptor that does not wait (some terminals' and ssh's) is asked again after this. */
const fullMs = 5;

export function descriptorSink(descriptor: number): { write(chunk: Uint8Array): Promise<void> } {
  return {
    async write(chunk) {
      for (let done = 0; done < chunk.length;) {
        try {
          done += await writeSome(descriptor, chunk.subarray(done));
        } catch (error) {
          const { code } = error as NodeJS.ErrnoException; // of a system call
          if (code !== "EAGAIN") throw code === "EPIPE" ? error : explainOutput(error);
          await Bun.sleep(fullMs);
        }
      }
    },
  };
}

/** The store may be somewhere else, with room enough. */
export function explainOutput(error: unknown, what = "the archive"): unknown {
  const { code = "" } = (error ?? {}) as { code?: string };
  if (!/^(ENOSPC|EDQUOT|EFBIG|EIO|EROFS|EACCES|EBADF)$/.test(code)) return error;
  const isFull = code === "ENOSPC" || code === "EDQUOT";
  const why = isFull ? "no space is left where it goes" : code;
  return new TspodError("files.refused", `Cannot write ${what}: ${why}`, {
    next: isFull ? "free some space there, or choose another place" : "choose another place",
    cause: error,
  });
}

function writeSome(descriptor: number, bytes: Uint8Array): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  write(descriptor, bytes, 0, bytes.length, null, (error, written) =>
    error === null ? resolve(written) : reject(error),
  );
  return promise;
}
