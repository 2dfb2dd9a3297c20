/**
 * Waking up when a file or a directory changes (inotify(7)). A change between two waits is not missed, and one that comes
 * right after another is not either: our runtime leaves out what it takes for a repetition (Bun 1.4: the same name within
 * two milliseconds), so whoever was woken looks once more a moment later. At rest nothing wakes up.
 */
import { watch } from "node:fs";

/** Longer than what is left out. */
const repetitionMs = 5;

export interface FileChanges extends Disposable {
  /** Resolves when something has changed since the last wait. */
  next(): Promise<void>;
  /** As if something had. */
  notify(): void;
}

/** `isWanted` is asked with a name in the directory, when the kernel says one. Throws ENOENT when there is no `path`. */
export function watchChanges(
  path: string,
  isWanted: (name: string) => boolean = () => true,
): FileChanges {
  let pending = Promise.withResolvers<void>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const notify = (): void => pending.resolve();
  const happened = (name: string | null): void => {
    if (name !== null && !isWanted(name)) return;
    notify();
    timer ??= setTimeout(() => {
      timer = undefined;
      notify();
    }, repetitionMs);
  };
  const watcher = watch(path, (_, name) => happened(name === null ? null : String(name)));
  watcher.on("error", notify); // what is watched is gone
  return {
    next: async () => {
      await pending.promise;
      pending = Promise.withResolvers<void>();
    },
    notify,
    [Symbol.dispose]: () => {
      clearTimeout(timer);
      watcher.close();
    },
  };
}
