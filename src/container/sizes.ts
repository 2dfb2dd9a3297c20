/** How much of the disk a container has for itself. Loaded only when somebody asks: every file of it is looked at. */
import { type Dirent, lstatSync, readdirSync } from "node:fs";
import { treeSize } from "../helper/index.ts";
import { containerDirectory } from "../store/containers.ts";
import type { ContainerContext } from "./context.ts";
import type { Container, Store } from "./find.ts";

export interface ContainerSize {
  /** What it has written or changed: bytes of files, each counted once. */
  writableBytes: number;
  /** With its image. */
  virtualBytes: number;
}

/** `helper` and `mapping` are asked for only where directories of other users of the container are closed to the caller. */
export function containerSize(
  context: Store & Partial<Pick<ContainerContext, "helper" | "mapping">>,
  { id, imageId }: Container,
): ContainerSize {
  const upper = `${containerDirectory(context.paths, id)}/upper`;
  const { bytes, hasClosed } = lookThrough(upper);
  const writableBytes = hasClosed ? (asTheyAre(context, upper) ?? bytes) : bytes;
  const sql = "SELECT size_bytes AS bytes FROM image WHERE id = ?";
  const image = context.database.query<{ bytes: number }, [string]>(sql).get(imageId);
  return { writableBytes, virtualBytes: writableBytes + (image?.bytes ?? 0) };
}

function asTheyAre(
  context: Partial<Pick<ContainerContext, "helper" | "mapping">>,
  directory: string,
): number | undefined {
  const { helper, mapping } = context;
  return helper && mapping ? treeSize(helper, mapping, directory) : undefined;
}

/** Of the files below; a directory of another of the container's users that shuts us out counts nothing. */
export function treeBytes(directory: string): number {
  return lookThrough(directory).bytes;
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
      else if (entry.isFile()) bytes += fileBytes(path, seen);
      else if (entry.isSymbolicLink()) bytes += fileBytes(path, seen);
    }
  }
  return { bytes, hasClosed };
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

/** Null: not for us to see. */
function list(directory: string): Dirent[] | null {
  try {
    return readdirSync(directory, { withFileTypes: true });
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EACCES" ? null : []; // gone meanwhile
  }
}
