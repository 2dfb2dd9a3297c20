/** Containers by name, id or prefix, with the state they are in. */
import { TspodError } from "../errors.ts";
import {
  type ContainerRecord,
  type ContainerState,
  findContainers,
  listContainers as listRecords,
  readState,
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

/** Newest first. */
export function listContainers(context: Store): Container[] {
  return listRecords(context.database).map((record) => ({
    ...record,
    state: readState(context.paths, record.id),
  }));
}
