/**
 * What a killed command left behind, found when the store is opened. Bounded: two directory listings, one query, a look
 * at what runs, and work only for what is wrong. There is no other clean-up path.
 */
import { readdirSync } from "node:fs";
import { listGroups, removeGroup } from "../host/index.ts";
import { isAlive } from "../lib/process-identity.ts";
import { isUp, listAutoRemove, listIds, readState } from "../store/containers.ts";
import { requirePrivateRuntime } from "../store/runtime-directory.ts";
import { transact } from "../store/database.ts";
import { rotateEvents } from "../store/events.ts";
import type { ContainerContext } from "./context.ts";
import { recoverSecrets } from "./secrets.ts";
import { discardContainer, discardFiles, discardGroup, emptyTrash } from "./remove.ts";

/** Leftovers dealt with by one command; the next takes more. */
const leftoversMax = 64;

const temporaryPrefix = ".tmp.";

export async function recoverContainers(context: ContainerContext): Promise<void> {
  requirePrivateRuntime(context.paths);
  rotateEvents(context.database, context.paths);
  const abandoned = listAutoRemove(context.database).filter(
    ({ id, creator }) => !isAlive(creator) && !isUp(readState(context.paths, id)),
  );
  for (const name of list(context.paths.runtime)) await discardGroup(context, name);
  for (const { id } of abandoned.slice(0, leftoversMax)) {
    await discardContainer(context, { id });
  }
  recoverSecrets(context);
  for (const path of orphanedGroups(context)) removeGroup(path);
  for (const id of orphans(context).slice(0, leftoversMax)) await discardFiles(context, id);
  const trash = list(context.paths.trash).map((name) => `${context.paths.trash}/${name}`);
  const doomed = [...unfinished(context), ...trash];
  if (doomed.length === 0) return;
  // what cannot be deleted now (its owner may be at it) lies there for the next command
  await emptyTrash(context, doomed.slice(0, leftoversMax)).catch(() => undefined);
}

/** Directories whose creator died before it could publish them: `.tmp.<identity>.<id>`. */
function unfinished({ paths }: ContainerContext): string[] {
  return list(paths.containers)
    .filter((name) => name.startsWith(temporaryPrefix))
    .filter((name) => !isAlive(name.slice(temporaryPrefix.length, name.lastIndexOf("."))))
    .map((name) => `${paths.containers}/${name}`);
}

/** Directories without a row. Looked at again under the write lock, where nobody can be between the two. */
function orphans(context: ContainerContext): string[] {
  const find = (): string[] => {
    const known = new Set(listIds(context.database));
    return list(context.paths.containers).filter(
      (name) => !name.startsWith(temporaryPrefix) && !known.has(name),
    );
  };
  if (find().length === 0) return [];
  return transact(context.database, find, { durable: false });
}

/** Of containers without a row: their monitor was killed before it could write down that they have one. */
function orphanedGroups(context: ContainerContext): string[] {
  const groups = listGroups(context.environment);
  if (groups.length === 0) return [];
  const known = new Set(listIds(context.database));
  return groups.filter(({ id }) => !known.has(id)).map(({ path }) => path);
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return []; // not made yet
  }
}
