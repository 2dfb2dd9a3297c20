/**
 * What a killed command left behind, found when the store is opened. Bounded: two directory listings, one query, a look
 * at what runs, and work only for what is wrong. There is no other clean-up path.
 */
import { existsSync, readdirSync } from "node:fs";
import { listGroups, removeGroup, setFrozen } from "../host/index.ts";
import { isAlive } from "../lib/process-identity.ts";
import {
  containerDirectory,
  isFrozen,
  listAutoRemove,
  listIds,
  listUnattended,
  readState,
} from "../store/containers.ts";
import { requirePrivateRuntime } from "../store/runtime-directory.ts";
import { unmarkUnknown } from "../store/at-rest.ts";
import { transact } from "../store/database.ts";
import { rotateEvents } from "../store/events.ts";
import {
  deadResources,
  dropLeases,
  hasLeases,
  hasLivingOwner,
  listDeadLeases,
  pausePrefix,
} from "../store/leases.ts";
import { listTrash } from "../store/trash.ts";
import type { ContainerContext } from "./context.ts";
import { recoverSecrets } from "./secrets.ts";
import { discardContainer, discardFiles, discardGroup, emptyTrash } from "./remove.ts";

/** Leftovers dealt with by one command; the next takes more. */
const leftoversMax = 64;

const temporaryPrefix = ".tmp.";

export async function recoverContainers(context: ContainerContext): Promise<void> {
  requirePrivateRuntime(context.paths);
  rotateEvents(context.database, context.paths);
  if (hasLeases(context.database)) await letGoOn(context);
  const abandoned = listAutoRemove(context.database).filter(
    (row) => !isAlive(row.creator) && isAbandoned(context, row),
  );
  for (const name of listUnattended(context.paths)) await discardGroup(context, name);
  for (const { id } of abandoned.slice(0, leftoversMax)) {
    await discardContainer(context, { id });
  }
  recoverSecrets(context);
  // before the rows: whoever has a group or a directory has had a row all along
  const groups = listGroups(context.environment);
  const names = list(context.paths.containers);
  const known = new Set(listIds(context.database));
  for (const { path } of groups.filter(({ id }) => !known.has(id))) removeGroup(path);
  for (const id of orphans(context, names, known).slice(0, leftoversMax)) {
    await discardFiles(context, id);
  }
  const doomed = [...unfinished(context, names), ...listTrash(context.paths)];
  if (doomed.length === 0) return;
  // under the lock: whoever makes one marks it there as well
  const sweep = (): void => unmarkUnknown(context.paths, new Set(listIds(context.database)));
  transact(context.database, sweep, { durable: false });
  // what cannot be deleted now (its owner may be at it) lies there for the next command
  await emptyTrash(context, doomed.slice(0, leftoversMax)).catch(() => undefined);
}

/** What a killed commit has paused: its own process does that, unless it was killed as well. */
async function letGoOn({ paths, database }: ContainerContext): Promise<void> {
  const dead = listDeadLeases(database).filter(({ resource }) => resource.startsWith(pausePrefix));
  for (const id of deadResources(dead, pausePrefix)) {
    const state = readState(paths, id);
    const isHeld = hasLivingOwner(database, `${pausePrefix}${id}`);
    if (!isHeld && state.status === "running" && isFrozen(state.cgroup)) {
      await setFrozen(state.cgroup, "thawed");
    }
  }
  if (dead.length > 0) dropLeases(database, dead);
}

/** A container with --rm that has ended; or whoever meant to run it was killed before it could. */
function isAbandoned({ paths }: ContainerContext, { id, creator }: Abandoned): boolean {
  const { status } = readState(paths, id);
  if (status === "running" || status === "restarting") return false;
  // one that has only been created waits for its start; its monitor takes the directory when it has ended
  const mayWait = creator === "" && status === "created";
  return !(mayWait && existsSync(containerDirectory(paths, id)));
}

type Abandoned = ReturnType<typeof listAutoRemove>[number];

/** Directories whose creator died before it could publish them: `.tmp.<identity>.<id>`. */
function unfinished({ paths }: ContainerContext, names: readonly string[]): string[] {
  return names
    .filter((name) => name.startsWith(temporaryPrefix))
    .filter((name) => !isAlive(name.slice(temporaryPrefix.length, name.lastIndexOf("."))))
    .map((name) => `${paths.containers}/${name}`);
}

/** Directories without a row. Looked at again under the write lock, where nobody can be between the two. */
function orphans(
  context: ContainerContext,
  names: readonly string[],
  known: ReadonlySet<string>,
): string[] {
  const without = (all: readonly string[], ids: ReadonlySet<string>): string[] =>
    all.filter((name) => !ids.has(name) && !name.startsWith(temporaryPrefix));
  if (without(names, known).length === 0) return [];
  const find = (): string[] =>
    without(list(context.paths.containers), new Set(listIds(context.database)));
  return transact(context.database, find, { durable: false });
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return []; // not made yet
  }
}
