/** Containers by name, id or prefix, with the state they are in. */
import { TspodError } from "../errors.ts";
import {
  type ContainerRecord,
  type ContainerState,
  findContainers,
  listContainers as listRecords,
  newestContainer,
  readState,
  stateReader,
} from "../store/containers.ts";
import type { ContainerContext } from "./context.ts";

export type Store = Pick<ContainerContext, "paths" | "database">;

export interface Container extends ContainerRecord {
  state: ContainerState;
}

/** The one container `wanted` names. Errors: container.not_found, container.ambiguous. */
export function getContainer(context: Store, wanted: string): Container {
  const [found, other] = findContainers(context.database, wanted);
  if (found === undefined) {
    throw new TspodError("container.not_found", `Cannot find container "${wanted}"`, {
      next: "tspod ps -a lists them",
    });
  }
  if (other !== undefined) {
    throw new TspodError("container.ambiguous", `"${wanted}" begins more than one container id`, {
      next: "give more characters of it, or the name",
    });
  }
  return { ...found, state: readState(context.paths, found.id) };
}

/** By its whole id; null when it has been removed. */
export function findContainer(context: Store, id: string): Container | null {
  const [found] = findContainers(context.database, id);
  return found === undefined ? null : { ...found, state: readState(context.paths, found.id) };
}

/** Newest first. */
export function listContainers(context: Store): Container[] {
  const records = listRecords(context.database);
  const stateOf = stateReader(context.paths);
  // not a copy: what has not been asked for of a record need not be parsed
  return records.map((record) => Object.assign(record, { state: stateOf(record.id) }));
}

/** The one that was created last. Errors: container.not_found when there is none. */
export function getLatest(context: Store): Container {
  const latest = newestContainer(context.database);
  if (latest !== undefined) return { ...latest, state: readState(context.paths, latest.id) };
  throw new TspodError("container.not_found", "There is no container, so none is the latest", {
    next: "tspod run creates one",
  });
}

/** A refusal of what nobody in a paused container would answer. */
export function paused(name: string): TspodError {
  return new TspodError("container.paused", `Container "${name}" is paused`, {
    next: `let it go on first: tspod unpause ${name}`,
  });
}

/** A refusal of what only a running container can do. */
export function notRunning(name: string, next = `start it: tspod start ${name}`): TspodError {
  return new TspodError("container.not_running", `Container "${name}" is not running`, { next });
}
