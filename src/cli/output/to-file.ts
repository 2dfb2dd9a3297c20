/** Archives into files: the file is there when it is whole. */
import { closeSync, fsyncSync, lstatSync, openSync, renameSync, rmSync } from "node:fs";
import { TspodError } from "../../errors.ts";

/** A pipe or a device is written to as it is. */
export async function toFile(
  path: string,
  work: (descriptor: number) => Promise<void>,
): Promise<void> {
  const there = lstatSync(path, { throwIfNoEntry: false });
  const isPlain = there === undefined || there.isFile();
  const written = isPlain ? `${path}.${process.pid}.tmp` : path;
  const descriptor = open(path, written);
  try {
    await work(descriptor);
    if (isPlain) fsyncSync(descriptor);
    if (isPlain) renameSync(written, path);
  } catch (error) {
    if (isPlain) rmSync(written, { force: true });
    throw error;
  } finally {
    closeSync(descriptor);
  }
}

function open(path: string, written: string): number {
  try {
    return openSync(written, "w", 0o600);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new TspodError("files.refused", `Cannot write "${path}" (${code})`, {
      next: "choose a place that you may write to",
      cause,
    });
  }
}
