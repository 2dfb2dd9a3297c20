/** `--digestfile` of what was pushed. */
import { writeFileSync } from "node:fs";
import { TspodError } from "../../errors.ts";

/** `what` is "The image". Throws files.refused, which says the digest all the same: the push is done. */
export function writeDigest(path: string, digest: string, what: string): void {
  try {
    writeFileSync(path, digest);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const message = `${what} is pushed, but "${path}" cannot be written (${code})`;
    throw new TspodError("files.refused", message, { next: `its digest is ${digest}`, cause });
  }
}
