/** Reads a container's log, over the files that were put aside, and goes on while it is written. Knows no terminal. */
import { TspodError } from "../errors.ts";
import type { FileLog } from "../helper/index.ts";
import type { HelperSettings } from "../spec/index.ts";
import { isUp, readState } from "../store/containers.ts";
import { readContainerFile } from "./files.ts";
import type { Container, Store } from "./find.ts";
import type { LargeLogs } from "./large-log.ts";
import {
  isLarge,
  openNext,
  openOldest,
  openTail,
  type OpenLog,
  readPieces,
  watchLog,
} from "./log-files.ts";
import { decodeLog, type LogRun, startOfLog, type LogView } from "./log-lines.ts";
import { waitContainer } from "./stop.ts";

export type { LogRun, LogStream, LogView } from "./log-lines.ts";

export interface LogRequest extends LogView {
  follow: boolean;
  /** The last lines only; Infinity: all. */
  tail: number;
  signal: AbortSignal;
  /** Called one after the other; what it is given is overwritten after it has resolved. */
  write(run: LogRun): Promise<void>;
  /** What is large goes there past `write`, without this process. */
  large?: LargeLogs;
}

/**
 * Hand over what there is; with `follow` also what is to come, until the container has ended for good, `until` has
 * passed or `signal` aborts. Errors: container.no_log.
 */
export async function readLog(
  context: Store,
  container: Container,
  request: LogRequest,
): Promise<void> {
  const log = logOf(context, container);
  const follows = request.follow && isUp(container.state);
  // before the first look: what comes after it wakes us
  using follower = follows ? follow(context, container, log, request) : null;
  const position = startOfLog();
  const take = async (piece: Buffer): Promise<number> => {
    const { runs, used } = decodeLog(log.driver, piece, request, position);
    for (const run of runs) await request.write(run);
    return used;
  };
  const { tail, signal } = request;
  const first = (): OpenLog | null => (tail === Infinity ? openOldest(log) : openTail(log, tail));
  let file = first();
  try {
    for (;;) {
      const isLast = follower === null || follower.hasEnded; // decided before reading: what came until then is read
      if (file !== null) {
        if (request.large !== undefined && isLarge(file)) {
          const { showLarge } = await import("./large-log.ts");
          await showLarge(request.large, { log, file, request, position });
        }
        await readPieces(file, take);
        const next = openNext(log, file);
        if (next !== null) {
          await readPieces(file, take); // nothing more comes after this
          file[Symbol.dispose]();
          file = next;
          continue;
        }
      }
      if (position.isPast || signal.aborted || isLast) return;
      await follower?.next();
      file ??= first();
    }
  } finally {
    file?.[Symbol.dispose]();
  }
}

function logOf(context: Store, container: Container): FileLog {
  const { log } = readContainerFile<HelperSettings>(context, container.id, "helper.json");
  if (log.driver === "k8s-file" || log.driver === "json-file") return log;
  throw new TspodError(
    "container.no_log",
    `The output of container "${container.name}" is not kept here: its log driver is "${log.driver}"`,
    {
      next:
        log.driver === "journald"
          ? `ask the journal: journalctl CONTAINER_NAME=${container.name}`
          : "create it with --log-driver=k8s-file, which is the default",
    },
  );
}

interface Follower extends Disposable {
  hasEnded: boolean;
  next(): Promise<void>;
}

function follow(
  context: Store,
  container: Container,
  log: FileLog,
  { signal, until }: LogRequest,
): Follower {
  const changes = watchLog(log.path);
  const end = (): void => {
    follower.hasEnded = true;
    changes.notify();
  };
  const timer =
    until === null ? undefined : setTimeout(end, Math.max(0, Date.parse(until) - Date.now()));
  const over = new AbortController();
  const follower: Follower = {
    hasEnded: false,
    next: changes.next,
    [Symbol.dispose]: () => {
      over.abort();
      clearTimeout(timer);
      changes[Symbol.dispose]();
    },
  };
  const waiting = AbortSignal.any([signal, over.signal]);
  void endOf(context, container, waiting).then(end, end);
  return follower;
}

/** Its end for good: an end after which it is started again is none. */
async function endOf(context: Store, { id }: Container, signal: AbortSignal): Promise<void> {
  while (isUp(readState(context.paths, id))) {
    if ((await waitContainer(context, id, signal)) === null) return;
  }
}
