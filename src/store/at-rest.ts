/**
 * How containers are that do not run, from one listing of `at-rest/` instead of a look into the directory of each:
 * `<id>.new` has never been started, `<id>` is a symbolic link whose text is what exit.json says (the monitor makes and
 * removes those: zig/src/monitor/at_rest.zig). What is there is true. What is missing, because of an older version, a full
 * disk or somebody's kill -9, is looked for where it has always been.
 */
import { mkdirSync, readdirSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import type { ContainerState } from "./containers.ts";
import type { Paths } from "./paths.ts";

type Where = Pick<Paths, "atRest">;

const newSuffix = ".new";

/** Before anybody can start it. */
export function markNew({ atRest }: Where, id: string): void {
  const mark = (): void => {
    writeFileSync(`${atRest}/${id}${newSuffix}`, "", { mode: 0o600 });
  };
  try {
    mark();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") return; // a full disk, say: it is looked for
    mkdirSync(atRest, { recursive: true, mode: 0o700 });
    mark();
  }
}

/** How each was when this was called. Null: nothing is said of it here. */
export function readAtRest({ atRest }: Where): (id: string) => ContainerState | null {
  const names = new Set(list(atRest));
  return (id) => {
    if (names.has(id + newSuffix)) return { status: "created" };
    return names.has(id) ? readEnd(`${atRest}/${id}`) : null;
  };
}

function readEnd(path: string): ContainerState | null {
  try {
    const exit = JSON.parse(readlinkSync(path)) as Omit<Exited, "status">; // its monitor wrote it, all or nothing
    return { ...exit, status: "exited" };
  } catch {
    return null; // it has been started meanwhile
  }
}

type Exited = Extract<ContainerState, { status: "exited" }>;

export function unmark({ atRest }: Where, id: string): void {
  for (const name of [id, id + newSuffix]) remove(`${atRest}/${name}`);
}

/** Of containers that are no more, or never came to be. */
export function unmarkUnknown({ atRest }: Where, known: ReadonlySet<string>): void {
  for (const name of list(atRest)) {
    const id = name.endsWith(newSuffix) ? name.slice(0, -newSuffix.length) : name;
    if (!known.has(id)) remove(`${atRest}/${name}`);
  }
}

function remove(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // a disk that fails: what it says of a container that is gone, nobody asks
  }
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return []; // not made yet
  }
}
