/** How much of the disk a container has for itself. Loaded only when somebody asks: every file of it is looked at. */
import { type Dirent, lstatSync, readdirSync } from "node:fs";
import { containerDirectory } from "../store/containers.ts";
import type { Container, Store } from "./find.ts";

export interface ContainerSize {
  /** What it has written or changed: bytes of files, each counted once. */
  writableBytes: number;
  /** With its image. */
  virtualBytes: number;
}

export function containerSize(context: Store, { id, imageId }: Container): ContainerSize {
  const writableBytes = treeBytes(`${containerDirectory(context.paths, id)}/upper`);
  const sql = "SELECT size_bytes AS bytes FROM image WHERE id = ?";
  const image = context.database.query<{ bytes: number }, [string]>(sql).get(imageId);
  return { writableBytes, virtualBytes: writableBytes + (image?.bytes ?? 0) };
}

/** Of the files below; a directory of another of the container's users that shuts us out counts nothing. */
export function treeBytes(directory: string): number {
  const seen = new Set<bigint>();
  let bytes = 0;
  const pending = [directory];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    for (const entry of list(next)) {
      const path = `${next}/${entry.name}`;
      if (entry.isDirectory()) pending.push(path);
      else if (entry.isFile()) bytes += fileBytes(path, seen);
      else if (entry.isSymbolicLink()) bytes += fileBytes(path, seen);
    }
  }
  return bytes;
}

/** A file of several names is there once. */
function fileBytes(path: string, seen: Set<bigint>): number {
  const found = lstatSync(path, { throwIfNoEntry: false, bigint: true });
  if (found === undefined) return 0;
  if (found.nlink > 1n) {
    if (seen.has(found.ino)) return 0;
    seen.add(found.ino);
  }
  return Number(found.size);
}

function list(directory: string): Dirent[] {
  try {
    return readdirSync(directory, { withFileTypes: true });
  } catch {
    return []; // gone meanwhile, or not for us to see
  }
}
