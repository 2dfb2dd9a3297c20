/**
 * Waits until a container is in a state. The kernel says when its files change (inotify(7)) and its monitor when it has
 * ended; nothing is asked again and again.
 */
import { existsSync, mkdirSync, watch } from "node:fs";
import { TspodError } from "../errors.ts";
import { nearest } from "../lib/nearest.ts";
import { containerDirectory, runtimeDirectory } from "../store/containers.ts";
import type { ContainerContext } from "./context.ts";
import { type Container, findContainer } from "./find.ts";
import { healthOf, statusOf } from "./status.ts";
import { waitContainer } from "./stop.ts";

type Context = Pick<ContainerContext, "paths" | "database">;

/** Null: it is gone. */
type Holds = (container: Container | null) => boolean;

const isOver: Holds = (container) => container === null || container.state.status === "exited"; // not between restarts
const hasStatus =
  (...wanted: string[]): Holds =>
  (container) =>
    container !== null && wanted.includes(statusOf(container));
const hasHealth =
  (wanted: string): Holds =>
  (container) =>
    container !== null && healthOf(container) === wanted;

/** Podman's words, and docker's where they are others. */
const conditions: Readonly<Record<string, Holds>> = {
  "not-running": (container) => isOver(container) || container?.state.status === "created",
  "next-exit": isOver,
  removed: (container) => container === null,
  removing: (container) => container === null,
  created: hasStatus("created"),
  configured: hasStatus("created"),
  initialized: hasStatus("running", "paused"),
  running: hasStatus("running"),
  paused: hasStatus("paused"),
  exited: isOver,
  stopped: isOver,
  stopping: isOver,
  healthy: hasHealth("healthy"),
  unhealthy: hasHealth("unhealthy"),
};

export type WaitCondition = string & { readonly brand: "WaitCondition" };

export const waitConditions: readonly string[] = Object.keys(conditions);

/** Throws usage. */
export function parseWaitCondition(text: string): WaitCondition {
  if (Object.hasOwn(conditions, text)) return text as WaitCondition; // one of them
  const near = nearest(text, waitConditions);
  throw new TspodError("usage", `Unknown --condition "${text}"`, {
    next:
      near === undefined ? `use one of: ${waitConditions.join(", ")}` : `did you mean "${near}"?`,
  });
}

/**
 * Resolves when one of `wanted` holds: the exit code where that is one of an end, otherwise -1, as podman has it.
 * "not-running" of what never ran holds at once.
 */
export async function waitFor(
  context: Context,
  container: Container,
  wanted: readonly WaitCondition[],
  signal: AbortSignal,
): Promise<number> {
  const { id } = container;
  let current: Container | null = container;
  const ends = new Map<string, Promise<number | null>>(); // by when it was started
  let lastCode: number | null = null;
  // docker's next-exit is not content with an end that has been
  let isArmed = !wanted.includes("next-exit" as WaitCondition) || isRunning(container);
  for (;;) {
    using changes = new Changes(context, id, current);
    // the monitor of a container with --rm takes the files; the row goes with the next command
    const isThere = existsSync(containerDirectory(context.paths, id));
    current = isThere ? findContainer(context, id) : null;
    // a short life may pass between two looks
    const hasStarted = current !== null && startOf(current) !== startOf(container);
    isArmed ||= isRunning(current) || current === null || hasStarted;
    const met = wanted.find((condition) => {
      if (condition === "running" && hasStarted) return true;
      return (condition !== "next-exit" || isArmed) && conditions[condition]?.(current) === true;
    });
    if (current?.state.status === "exited") lastCode = current.state.exitCode;
    if (met !== undefined) {
      // whoever has just removed its files tells the code as its last word
      const isEnd = !isRunning(current) && !withoutExit.test(met);
      return exitCode(current, met, isEnd ? ((await [...ends.values()].at(-1)) ?? lastCode) : null);
    }
    if (current?.state.status !== "running") await changes.next(signal);
    else {
      const { startedAt } = current.state;
      const end = ends.get(startedAt) ?? waitContainer(context, id, signal);
      end.catch(() => null); // given up: told by the other promise
      ends.set(startedAt, end);
      // a monitor that has let go of us ends at any moment, and its death changes no file
      const soon = end.then(async (code) => (await Bun.sleep(endingMs), code));
      const told = await Promise.race([soon, changes.next(signal).then(() => null)]);
      // also when it is to be started again: it has been an end
      if (told !== null && wanted.some((condition) => isEnding.test(condition))) return told;
    }
  }
}

const endingMs = 5;

const startOf = ({ state }: Container): string => ("startedAt" in state ? state.startedAt : "");

const isRunning = (container: Container | null): boolean => container?.state.status === "running";

const isEnding = /^(not-running|next-exit|exited|stopped|stopping)$/;
const withoutExit = /^(created|configured|initialized|running|paused|healthy|unhealthy)$/;

function exitCode(current: Container | null, met: string, told: number | null): number {
  if (withoutExit.test(met)) return -1;
  if (current?.state.status === "exited") return current.state.exitCode;
  if (current?.state.status === "created") return 0;
  return told ?? 0;
}

/** What happens to the files that a container's state is in. */
class Changes implements Disposable {
  readonly #kept = new DisposableStack();
  readonly #happened = Promise.withResolvers<void>();

  constructor({ paths }: Context, id: string, last: Container | null) {
    mkdirSync(paths.runtime, { recursive: true, mode: 0o700 });
    const runtime = runtimeDirectory(paths, id);
    const directories = [paths.runtime, runtime, paths.containers, containerDirectory(paths, id)];
    for (const directory of directories) this.#watch(directory);
    if (last?.state.status === "running") this.#watch(`${last.state.cgroup}/cgroup.events`);
  }

  /** A directory that is not there yet appears in one that is. */
  #watch(path: string): void {
    if (!existsSync(path)) return;
    try {
      const watcher = watch(path, () => this.#happened.resolve());
      watcher.on("error", () => this.#happened.resolve());
      this.#kept.defer(() => watcher.close());
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }

  async next(signal: AbortSignal): Promise<void> {
    const giveUp = (): void => this.#happened.reject(signal.reason);
    signal.addEventListener("abort", giveUp);
    this.#kept.defer(() => signal.removeEventListener("abort", giveUp));
    signal.throwIfAborted();
    await this.#happened.promise;
  }

  [Symbol.dispose](): void {
    this.#kept.dispose();
  }
}
