/** Which containers cannot do without another one: those in its namespaces, and those that were given its volumes. */
import { joinedContainer } from "../spec/index.ts";
import { type ContainerRecord, listJoined } from "../store/containers.ts";
import type { Store } from "./find.ts";
import { namespacesOf } from "./joined.ts";

/** Not what depends on those in turn. */
export function listDependants(
  { database }: Pick<Store, "database">,
  id: string,
): ContainerRecord[] {
  return listJoined(database, id).filter((record) => joinedContainer(namespacesOf(record)) === id);
}
