/** By rename(2): a file that is published so that a reader sees the old one or the new one, never half; what is moved away. */
import {
  closeSync,
  fsync,
  fsyncSync,
  openSync,
  renameSync,
  rmSync,
  writeSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";

export interface WriteOptions {
  mode?: number;
  /** Also survive a power cut: fsync the file and its directory. */
  durable?: boolean;
}

let counter = 0;

/** Write `data` to `path` by temporary file, (fsync,) rename(, fsync of the directory). */
export function writeFileAtomic(path: string, data: string, options: WriteOptions = {}): void {
  const temporary = `${path}.${process.pid}.${counter++}.tmp`;
  const mode = options.mode ?? 0o600;
  try {
    if (options.durable) writeDurably(temporary, data, mode);
    else writeFileSync(temporary, data, { mode });
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  if (options.durable) syncDirectory(dirname(path));
}

function writeDurably(path: string, data: string, mode: number): void {
  const descriptor = openSync(path, "wx", mode);
  try {
    const bytes = Buffer.from(data);
    for (let done = 0; done < bytes.length;) done += writeSync(descriptor, bytes, done);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/**
 * fsync files and directories, all at once: a journal takes them together, so they wait for the disk once instead of one
 * after the other.
 */
export async function syncTogether(paths: readonly string[]): Promise<void> {
  await Promise.all(paths.map(syncPath));
}

async function syncPath(path: string): Promise<void> {
  const descriptor = openSync(path, "r");
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  fsync(descriptor, (error) => (error === null ? resolve() : reject(error)));
  try {
    await promise;
  } finally {
    closeSync(descriptor);
  }
}

/** A rename that somebody else may have done already. False: it is not there, or no longer. */
export function moveAway(path: string, trash: string): boolean {
  try {
    renameSync(path, trash);
    return true;
  } catch (error) {
    if ((error as { code?: string }).code === "ENOENT") return false;
    throw error;
  }
}

/** fsync a directory: its entries are on the disk afterwards. */
export function syncDirectory(path: string): void {
  const descriptor = openSync(path, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
