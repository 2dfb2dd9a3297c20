/** Which containers cannot do without another one: those in its namespaces, and those that were given its volumes. */
import { type CreateOptions, joinedContainer } from "../spec/index.ts";
import { type ContainerRecord, listJoined } from "../store/containers.ts";
import type { Store } from "./find.ts";

/** Not what depends on those in turn. */
export function listDependants(
  { database }: Pick<Store, "database">,
  id: string,
): ContainerRecord[] {
  return listJoined(database, id).filter(
    (record) => joinedContainer(record.options as CreateOptions) === id,
  );
}
