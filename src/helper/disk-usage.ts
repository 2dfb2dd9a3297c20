/**
 * How much of the disk a tree takes: bytes of its files and symbolic links, each counted once whatever its names. Looked
 * at from here, which starts nothing; where another user of the container shuts the caller out, from inside the mapping.
 */
import { type Dirent, lstatSync, readdirSync } from "node:fs";
import { treeSize } from "./files.ts";
import type { LayerMapping } from "./layer.ts";

/** `helper` and `mapping`: without them what is closed to the caller counts nothing. */
export interface Measurer {
  readonly helper?: readonly string[];
  readonly mapping?: LayerMapping;
}

/** Bytes. A directory that is not there takes none. */
export function diskUsage({ helper, mapping }: Measurer, directory: string): number {
  const { bytes, hasClosed } = lookThrough(directory);
  if (!hasClosed || !helper || !mapping) return bytes;
  return treeSize(helper, mapping, directory) ?? bytes;
}

function lookThrough(directory: string): { bytes: number; hasClosed: boolean } {
  const seen = new Set<bigint>();
  let bytes = 0;
  let hasClosed = false;
  const pending = [directory];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const entries = list(next);
    hasClosed ||= entries === null;
    for (const entry of entries ?? []) {
      const path = `${next}/${entry.name}`;
      if (entry.isDirectory()) pending.push(path);
      else if (entry.isFile() || entry.isSymbolicLink()) {
        const size = fileBytes(path, seen);
        hasClosed ||= size === null;
        bytes += size ?? 0;
      }
    }
  }
  return { bytes, hasClosed };
}

/** A file of several names is there once. Null: not for us to see, as in a directory that may only be listed. */
function fileBytes(path: string, seen: Set<bigint>): number | null {
  try {
    const found = lstatSync(path, { throwIfNoEntry: false, bigint: true });
    if (found === undefined) return 0;
    if (found.nlink > 1n) {
      if (seen.has(found.ino)) return 0;
      seen.add(found.ino);
    }
    return Number(found.size);
  } catch (error) {
    return whenRefused(error, 0);
  }
}

/** Null: not for us to see. */
function list(directory: string): Dirent[] | null {
  try {
    return readdirSync(directory, { withFileTypes: true });
  } catch (error) {
    return whenRefused(error, []);
  }
}

/** What counts in its stead: null when it is closed to us; otherwise it has gone meanwhile. */
function whenRefused<T>(error: unknown, gone: T): T | null {
  return (error as NodeJS.ErrnoException).code === "EACCES" ? null : gone; // of a system call
}
