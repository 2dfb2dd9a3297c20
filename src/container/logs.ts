/**
 * Reads a container's log: CRI lines `<RFC 3339 nano> <stdout|stderr> <F|P> <bytes>\n`, P meaning that the line goes on.
 * Bytes come out as the container wrote them. Knows no terminal.
 */
import { closeSync, fstatSync, openSync, readSync, watch } from "node:fs";
import { containerDirectory, isUp } from "../store/containers.ts";
import type { Container, Store } from "./find.ts";
import { waitContainer } from "./stop.ts";

export interface LogEntry {
  stream: "stdout" | "stderr";
  /** With its newline, unless the container has not (yet) written one. */
  bytes: Uint8Array;
  /** RFC 3339 with nanoseconds, as recorded. */
  time: string;
  isPartial: boolean;
}

const chunkBytes = 64 * 1024;
const newline = 0x0a;
const space = 0x20;

/** Whole entries of `data`, and how many bytes of it they took. Pure; a line that is not CRI is skipped. */
export function parseLog(data: Uint8Array): { entries: LogEntry[]; used: number } {
  const entries: LogEntry[] = [];
  let used = 0;
  for (;;) {
    const end = data.indexOf(newline, used);
    if (end < 0) return { entries, used };
    const entry = parseLine(data.subarray(used, end + 1));
    if (entry !== null) entries.push(entry);
    used = end + 1;
  }
}

function parseLine(line: Uint8Array): LogEntry | null {
  const afterTime = line.indexOf(space);
  const afterStream = line.indexOf(space, afterTime + 1);
  const afterTag = line.indexOf(space, afterStream + 1);
  if (afterTime < 0 || afterStream < 0 || afterTag < 0) return null;
  const text = (from: number, to: number): string =>
    Buffer.from(line.subarray(from, to)).toString("latin1");
  const stream = text(afterTime + 1, afterStream);
  if (stream !== "stdout" && stream !== "stderr") return null;
  const isPartial = text(afterStream + 1, afterTag) === "P";
  const bytes = line.subarray(afterTag + 1, isPartial ? -1 : undefined);
  return { stream, bytes, time: text(0, afterTime), isPartial };
}

/** Every entry so far; with `follow` those to come too, until the container ends or `signal` aborts. */
export async function* readLog(
  context: Store,
  container: Container,
  options: { follow: boolean; signal: AbortSignal },
): AsyncGenerator<LogEntry> {
  const path = `${containerDirectory(context.paths, container.id)}/log`;
  using file = openLog(path);
  if (file === null) return;
  const follower = options.follow && isUp(container.state);
  const changes = follower ? watchForChange(path) : null;
  let hasEnded = !follower;
  if (follower) {
    const done = (): void => {
      hasEnded = true;
      changes?.notify();
    };
    waitContainer(context, container.id, options.signal).then(done, done);
    options.signal.addEventListener("abort", done);
  }
  for (;;) {
    const isLast = hasEnded; // decided before reading: what came until then is read
    yield* file.readNew();
    if (isLast || options.signal.aborted) break;
    await changes?.next();
  }
  changes?.close();
}

function openLog(path: string): (Disposable & { readNew: () => Generator<LogEntry> }) | null {
  let descriptor: number;
  try {
    descriptor = openSync(path, "r");
  } catch {
    return null; // nothing has been logged
  }
  let offset = 0;
  let buffer = Buffer.alloc(chunkBytes);
  return {
    *readNew() {
      while (offset < fstatSync(descriptor).size) {
        const count = readSync(descriptor, buffer, 0, buffer.length, offset);
        if (count === 0) return;
        const { entries, used } = parseLog(Buffer.from(buffer.subarray(0, count)));
        yield* entries;
        offset += used;
        if (used > 0) continue;
        if (count < buffer.length) return; // half a line: the monitor is writing it
        buffer = Buffer.alloc(buffer.length * 2);
      }
    },
    [Symbol.dispose]: () => closeSync(descriptor),
  };
}

/** Wakes on a change of the file. A change between two waits is not missed. */
function watchForChange(path: string): {
  next: () => Promise<void>;
  notify: () => void;
  close: () => void;
} {
  let pending = Promise.withResolvers<void>();
  const notify = (): void => pending.resolve();
  const watcher = watch(path, notify);
  return {
    next: async () => {
      await pending.promise;
      pending = Promise.withResolvers<void>();
    },
    notify,
    close: () => watcher.close(),
  };
}
