/** The files of one log: the one that is written, and those that were put aside, oldest last: `log`, `log.1`, `log.2`. */
import { closeSync, existsSync, fstatSync, openSync, readSync, statSync } from "node:fs";
import { basename, dirname } from "node:path";
import type { FileLog } from "../helper/index.ts";
import { type FileChanges, watchChanges } from "../lib/file-changes.ts";
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
function logPaths({ path, maxFiles = 1 }: FileLog): string[] {
  const numbers = Array.from({ length: maxFiles - 1 }, (_, index) => maxFiles - 1 - index);
  return [...numbers.map((number) => `${path}.${number}`).filter((name) => existsSync(name)), path];
}

/** Null: nothing has been logged. */
export function openOldest(log: FileLog): OpenLog | null {
  for (let attempt = 0; ; attempt++) {
    const file = openFirst(log);
    if (file === null || attempt === attemptsMax || !hasOlder(log, file)) return file;
    file[Symbol.dispose](); // the names moved on between the look and the opening
  }
}

function openFirst(log: FileLog): OpenLog | null {
  for (const path of logPaths(log)) {
    const file = openLog(path);
    if (file !== null) return file;
  }
  return null;
}

function hasOlder(log: FileLog, file: OpenLog): boolean {
  const number = numberOf(log, file);
  return (
    number !== null && number + 1 < (log.maxFiles ?? 1) && existsSync(numbered(log, number + 1))
  );
}

/** The monitor renames faster than anybody can look at two names. */
const attemptsMax = 100;

/**
 * The file that was written after `file`; null when that is the one that is written. Names move on while we look: the
 * one we have moves before its successor does, so when it is found at the same place after the successor was opened,
 * that is the right one.
 */
export function openNext(log: FileLog, file: OpenLog): OpenLog | null {
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    const number = numberOf(log, file);
    if (number === null) return openUnrelated(log, file); // it was deleted meanwhile
    if (number === 0) return null;
    const next = openLog(numbered(log, number - 1));
    if (next !== null && inodeOf(numbered(log, number)) === file.inode) return next;
    next?.[Symbol.dispose]();
  }
  return null;
}

/** After what is gone comes the oldest there is. */
function openUnrelated(log: FileLog, file: OpenLog): OpenLog | null {
  const oldest = openOldest(log);
  if (oldest?.inode !== file.inode) return oldest;
  oldest[Symbol.dispose]();
  return null;
}

const numbered = ({ path }: FileLog, number: number): string =>
  number === 0 ? path : `${path}.${number}`;

function numberOf(log: FileLog, { inode }: OpenLog): number | null {
  const { maxFiles = 1 } = log;
  let missing = 0;
  for (let number = 0; number < maxFiles && missing < 2; number++) {
    const found = inodeOf(numbered(log, number));
    if (found === inode) return number;
    missing = found === null ? missing + 1 : 0; // one name is free while a file moves
  }
  return null;
}

function inodeOf(path: string): number | null {
  return statSync(path, { throwIfNoEntry: false })?.ino ?? null;
}

/** From here on a further process is worth its start: it costs what some megabytes do. */
const largeBytes = 4 * 1024 * 1024;

/** What is left of it. */
export function isLarge({ descriptor, offset }: OpenLog): boolean {
  return fstatSync(descriptor).size - offset >= largeBytes;
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

/** The file in which the last `count` lines begin, there: from the end, over as many files as that takes. */
export function openTail(log: FileLog, count: number): OpenLog | null {
  for (let attempt = 0; ; attempt++) {
    const tail = findTail(log, count);
    const file = openLog(tail.path, tail.offset);
    if (file === null || attempt === attemptsMax || file.inode === tail.inode) return file;
    file[Symbol.dispose](); // it is called otherwise by now
  }
}

interface Tail {
  path: string;
  inode: number;
  offset: number;
  /** Lines in it. */
  found: number;
}

function findTail(log: FileLog, count: number): Tail {
  let missing = count;
  let last: Tail = { path: log.path, inode: 0, offset: 0, found: 0 };
  for (const path of logPaths(log).reverse()) {
    last = { path, ...tailOfFile(log, path, missing) };
    missing -= last.found;
    if (missing <= 0) break;
  }
  return last;
}

/** One line more than asked for is looked at: it may be the rest of a longer one. */
function tailOfFile({ driver }: FileLog, path: string, count: number): Omit<Tail, "path"> {
  using file = openLog(path);
  if (file === null) return { inode: 0, offset: 0, found: 0 };
  const { inode } = file;
  const { size } = fstatSync(file.descriptor);
  for (let length = Math.min(size, 64 * 1024); ; length = Math.min(size, length * 4)) {
    const buffer = Buffer.allocUnsafe(length);
    const got = readSync(file.descriptor, buffer, 0, length, size - length);
    const cut = length < size ? buffer.indexOf(0x0a) + 1 : 0; // the first line may be the end of one
    const { offset, found } = tailOffset(driver, buffer.subarray(cut, got), count);
    if (length === size) return { inode, offset, found };
    if (offset > 0 && cut > 0) return { inode, offset: size - length + cut + offset, found };
  }
}

/** Wakes on a change of the log, which may be put aside meanwhile. */
export function watchLog(path: string): FileChanges {
  const name = basename(path);
  return watchChanges(dirname(path), (changed) => changed === name);
}
