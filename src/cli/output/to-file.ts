/** Archives into files, and into directories: what was asked for is there when it is whole. */
import {
  closeSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
} from "node:fs";
import { TspodError } from "../../errors.ts";
import { explainOutput } from "./sink.ts";

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

/** A directory that is not there yet, or has nothing in it. */
export async function toDirectory(
  path: string,
  work: (directory: string) => Promise<void>,
): Promise<void> {
  const target = path.replace(/(?<=.)\/+$/, "");
  const written = `${target}.${process.pid}.tmp`;
  requireEmpty(target);
  try {
    mkdirSync(written, { mode: 0o755 });
  } catch (cause) {
    throw unwritable(path, cause);
  }
  try {
    await work(written);
    renameSync(written, target);
  } catch (error) {
    rmSync(written, { recursive: true, force: true });
    throw explainOutput(error);
  }
}

function requireEmpty(path: string): void {
  const there = lstatSync(path, { throwIfNoEntry: false });
  if (there === undefined || (there.isDirectory() && readdirSync(path).length === 0)) return;
  throw new TspodError("files.refused", `Cannot write "${path}": there is something already`, {
    next: "name a new directory",
  });
}

function open(path: string, written: string): number {
  try {
    return openSync(written, "w", 0o600);
  } catch (cause) {
    throw unwritable(path, cause);
  }
}

function unwritable(path: string, cause: unknown): TspodError {
  const { code } = cause as NodeJS.ErrnoException;
  return new TspodError("files.refused", `Cannot write "${path}" (${code})`, {
    next: "choose a place that you may write to",
    cause,
  });
}
