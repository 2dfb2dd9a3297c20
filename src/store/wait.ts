/** One process does a piece of work, the others wait for its result: across processes, without a lock file. */
import type { Database } from "bun:sqlite";
import { watch } from "node:fs";
import { type Resource, tryLease } from "./leases.ts";

/**
 * The kernel tells when a result appears; its maker lets go of the lease moments later, so we look soon and then ever
 * less often. A maker that dies tells nobody: that is noticed after the longest pause.
 */
const pauseMsMin = 8;
const pauseMsMax = 500;

export interface SharedWork<T> {
  /** What only one process at a time may make. */
  readonly resource: Resource;
  /** The directory the result appears in, by rename. */
  readonly directory: string;
  /** The result when it is there; asked under the lease. */
  find(): T | undefined;
  make(): Promise<T>;
  onWait?(): void;
}

/** Throws what `make` throws: a process that waited then tries by itself. */
export async function shareWork<T>(
  database: Database,
  signal: AbortSignal,
  work: SharedWork<T>,
): Promise<T> {
  let pauseMs = pauseMsMin;
  for (let hasWaited = false; ; hasWaited = true) {
    signal.throwIfAborted();
    using lease = tryLease(database, work.resource);
    if (lease !== undefined) return work.find() ?? (await work.make());
    if (!hasWaited) work.onWait?.();
    const hasHappened = await somethingHappens(work.directory, pauseMs, signal);
    pauseMs = hasHappened ? pauseMsMin : Math.min(pauseMs * 2, pauseMsMax);
  }
}

/** True when something changed in the directory, false after `pauseMs` or an abort. */
async function somethingHappens(
  directory: string,
  pauseMs: number,
  signal: AbortSignal,
): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const giveUp = (): void => resolve(false);
  const watcher = watch(directory, () => resolve(true));
  watcher.on("error", () => undefined); // out of inotify watches: the timer is enough
  const timer = setTimeout(giveUp, pauseMs);
  signal.addEventListener("abort", giveUp);
  try {
    return await promise;
  } finally {
    signal.removeEventListener("abort", giveUp);
    clearTimeout(timer);
    watcher.close();
  }
}
