/** Which containers cannot do without another one: those in its namespaces, and those that require it. */
import { type CreateOptions, joinedContainer } from "../spec/index.ts";
import { type ContainerRecord, listMentioning } from "../store/containers.ts";
import type { Store } from "./find.ts";

/** Whether it is the namespaces that are shared. */
export function isInNamespacesOf({ options }: ContainerRecord, id: string): boolean {
  return joinedContainer(options as CreateOptions) === id; // create recorded it
}

/** Not what depends on those in turn. */
export function listDependants(
  { database }: Pick<Store, "database">,
  id: string,
): ContainerRecord[] {
  return listMentioning(database, id).filter((record) => {
    const { requires = [] } = record.options as CreateOptions; // create recorded it
    return isInNamespacesOf(record, id) || requires.includes(id);
  });
}
