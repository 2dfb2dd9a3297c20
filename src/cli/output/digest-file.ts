/** `--digestfile` of what was pushed, `--iidfile` of what was made. */
import { closeSync, openSync, writeFileSync } from "node:fs";
import { TspodError } from "../../errors.ts";

/** Before anything is done for it; what is in it stays. Throws files.refused. */
export function requireWritable(flag: string, path: string): void {
  try {
    closeSync(openSync(path, "a"));
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new TspodError("files.refused", `Cannot write the ${flag} "${path}" (${code})`, {
      next: "name another file",
      cause,
    });
  }
}

/** `done` is "The image is pushed". Throws files.refused, which says the digest all the same. */
export function writeDigest(path: string, digest: string, done: string): void {
  try {
    writeFileSync(path, digest);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const message = `${done}, but "${path}" cannot be written (${code})`;
    throw new TspodError("files.refused", message, { next: `its digest is ${digest}`, cause });
  }
}
