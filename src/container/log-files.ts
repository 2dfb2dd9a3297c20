/** The files of one log: the one that is written, and those that were put aside, oldest last: `log`, `log.1`, `log.2`. */
import { closeSync, existsSync, fstatSync, openSync, readSync, statSync, watch } from "node:fs";
import { basename, dirname } from "node:path";
import type { FileLog } from "../helper/index.ts";
import { tailOffset } from "./log-lines.ts";

export interface OpenLog extends Disposable {
  readonly descriptor: number;
  /** Which file it is, whatever it is called by now. */
  readonly inode: number;
  offset: number;
}

/** Null: it is not there. */
export function openLog(path: string, offset = 0): OpenLog | null {
  try {
    const descriptor = openSync(path, "r");
    const { ino: inode } = fstatSync(descriptor);
    return { descriptor, inode, offset, [Symbol.dispose]: () => closeSync(descriptor) };
  } catch {
    return null; // nothing has been logged, or it was put aside this moment
  }
}

/** Names of all there are, oldest first. */
export function logPaths({ path, maxFiles = 1 }: FileLog): string[] {
  const numbers = Array.from({ length: maxFiles - 1 }, (_, index) => maxFiles - 1 - index);
  return [...numbers.map((number) => `${path}.${number}`).filter((name) => existsSync(name)), path];
}

/** What came after `file`, oldest first; of one that was deleted meanwhile all there are. Empty: it is still written. */
export function newerPaths(log: FileLog, file: OpenLog): string[] {
  const paths = logPaths(log);
  const at = paths.findIndex((path) => inodeOf(path) === file.inode);
  return at < 0 ? (inodeOf(log.path) === null ? [] : paths) : paths.slice(at + 1);
}

function inodeOf(path: string): number | null {
  return statSync(path, { throwIfNoEntry: false })?.ino ?? null;
}

const pieceBytes = 1024 * 1024;

/** Pieces of whole lines from its offset to its present end. What comes back as not used is read again. */
export async function readPieces(
  file: OpenLog,
  take: (piece: Buffer) => Promise<number>,
): Promise<void> {
  let buffer = Buffer.allocUnsafe(
    Math.min(pieceBytes, Math.max(4096, fstatSync(file.descriptor).size - file.offset)),
  );
  for (;;) {
    const count = readSync(file.descriptor, buffer, 0, buffer.length, file.offset);
    if (count === 0) return;
    const used = await take(buffer.subarray(0, count));
    file.offset += used;
    if (used > 0) continue;
    if (count < buffer.length) return; // half a line: the monitor is writing it
    buffer = Buffer.allocUnsafe(buffer.length * 2);
  }
}

/** Where the last `count` lines begin: from the end, over as many files as that takes. */
export function findTail(
  log: FileLog,
  paths: readonly string[],
  count: number,
): { paths: string[]; offset: number } {
  let missing = count;
  for (let index = paths.length - 1; index >= 0; index--) {
    const { offset, found } = tailOfFile(log, paths[index] ?? "", missing);
    missing -= found;
    if (missing <= 0 || index === 0) return { paths: paths.slice(index), offset };
  }
  return { paths: [...paths], offset: 0 };
}

/** One line more than asked for is looked at: it may be the rest of a longer one. */
function tailOfFile(
  { driver }: FileLog,
  path: string,
  count: number,
): { offset: number; found: number } {
  using file = openLog(path);
  if (file === null) return { offset: 0, found: 0 };
  const { size } = fstatSync(file.descriptor);
  for (let length = Math.min(size, 64 * 1024); ; length = Math.min(size, length * 4)) {
    const buffer = Buffer.allocUnsafe(length);
    const got = readSync(file.descriptor, buffer, 0, length, size - length);
    const cut = length < size ? buffer.indexOf(0x0a) + 1 : 0; // the first line may be the end of one
    const { offset, found } = tailOffset(driver, buffer.subarray(cut, got), count);
    if (length === size) return { offset, found };
    if (offset > 0 && cut > 0) return { offset: size - length + cut + offset, found };
  }
}

/** Wakes on a change of the log. A change between two waits is not missed. */
export function watchLog(path: string): {
  next: () => Promise<void>;
  notify: () => void;
  close: () => void;
} {
  let pending = Promise.withResolvers<void>();
  const notify = (): void => pending.resolve();
  const name = basename(path);
  const watcher = watch(dirname(path), (_, changed) => {
    if (changed === null || changed === name) notify();
  });
  watcher.on("error", () => undefined); // its directory is gone: so is the container
  return {
    next: async () => {
      await pending.promise;
      pending = Promise.withResolvers<void>();
    },
    notify,
    close: () => watcher.close(),
  };
}
