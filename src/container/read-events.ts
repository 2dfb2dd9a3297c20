/**
 * Reads what happened (store/events.ts), and goes on with what happens: inotify(7) tells of a line or of a rotation, and
 * the file from before a rotation is looked at again too, for somebody may have had it open. Nothing is polled.
 */
import { closeSync, fstatSync, mkdirSync, openSync, readSync, statSync } from "node:fs";
import { basename } from "node:path";
import { type FileChanges, watchChanges } from "../lib/file-changes.ts";
import type { StoreEvent } from "../store/events.ts";
import type { Paths } from "../store/paths.ts";

export interface ReadEventsOptions {
  /** From the oldest that is kept; otherwise only what happens from now on. */
  fromStart: boolean;
  follow: boolean;
  /** Ends it. */
  signal: AbortSignal;
}

export async function* readEvents(
  { data, events }: Pick<Paths, "data" | "events">,
  options: ReadEventsOptions,
): AsyncGenerator<StoreEvent> {
  using kept = new DisposableStack();
  const changes = options.follow ? kept.use(followDirectory(data, basename(events))) : null;
  options.signal.addEventListener("abort", () => changes?.notify());
  // the newest first: should it become the older one meanwhile, that is seen by its number
  let current = openFile(events);
  let previous = options.fromStart ? openFile(`${events}.1`) : null;
  kept.defer(() => [current, previous].forEach((file) => file?.[Symbol.dispose]()));
  if (previous !== null && previous.inode === current?.inode) previous = null;
  if (!options.fromStart) current?.skip();
  for (;;) {
    if (previous !== null) yield* previous.readNew();
    if (current !== null) yield* current.readNew();
    const next = nextFile(events, current, previous);
    if (next !== null) {
      previous?.[Symbol.dispose]();
      previous = current;
      current = next;
      continue;
    }
    if (changes === null || options.signal.aborted) return;
    await changes.next();
  }
}

/** What is written to now, or, when two rotations came between two looks, the one that we have not seen of. */
function nextFile(
  events: string,
  current: EventFile | null,
  previous: EventFile | null,
): EventFile | null {
  const inode = inodeOf(events);
  if (current !== null && inode === current.inode) return null;
  const older = inodeOf(`${events}.1`);
  const isMissed = current !== null && older !== current.inode && older !== previous?.inode;
  return openFile(isMissed && older !== undefined ? `${events}.1` : events);
}

function followDirectory(directory: string, prefix: string): FileChanges {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  return watchChanges(directory, (name) => name.startsWith(prefix));
}

const chunkBytes = 64 * 1024;
/** A line is a name, an image and labels; what is longer was not written by us. */
const lineBytesMax = 1024 * 1024;

class EventFile implements Disposable {
  readonly inode: number;
  readonly #descriptor: number;
  readonly #decoder = new TextDecoder();
  readonly #buffer = Buffer.allocUnsafe(chunkBytes);
  #at = 0;
  #pending = "";

  constructor(descriptor: number) {
    this.#descriptor = descriptor;
    this.inode = fstatSync(descriptor).ino;
  }

  skip(): void {
    this.#at = fstatSync(this.#descriptor).size;
  }

  /** Whole lines only; a damaged one (a power cut) is passed over. */
  *readNew(): Generator<StoreEvent> {
    for (;;) {
      const count = readSync(this.#descriptor, this.#buffer, 0, chunkBytes, this.#at);
      if (count === 0) return;
      this.#at += count;
      this.#pending += this.#decoder.decode(this.#buffer.subarray(0, count), { stream: true });
      const lines = this.#pending.split("\n");
      this.#pending = lines.pop() ?? "";
      if (this.#pending.length > lineBytesMax) this.#pending = "";
      for (const line of lines) {
        const event = parseEvent(line);
        if (event !== null) yield event;
      }
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.#descriptor);
  }
}

export function parseEvent(line: string): StoreEvent | null {
  try {
    const event = JSON.parse(line) as Partial<StoreEvent> | null;
    if (typeof event?.time !== "string" || typeof event.type !== "string") return null;
    const { time, type, status = "", id = "", name = "", image = "", attributes = {} } = event;
    return { time, type, status, id, name, image, attributes };
  } catch {
    return null; // a power cut has torn it
  }
}

function openFile(path: string): EventFile | null {
  try {
    return new EventFile(openSync(path, "r"));
  } catch {
    return null; // nothing has happened yet
  }
}

function inodeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.ino;
}
