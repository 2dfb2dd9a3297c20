/** Removes containers: the row first, then the files; what cannot be deleted now lies in trash/ until it can. */
import { type Dirent, mkdirSync, readdirSync, rmSync, rmdirSync } from "node:fs";
import { basename } from "node:path";
import { TspodError } from "../errors.ts";
import { endGroup } from "../host/index.ts";
import { control, removeTrees } from "../helper/index.ts";
import { moveAway } from "../lib/atomic-file.ts";
import {
  containerDirectory,
  deleteContainer,
  findLeftCgroup,
  isUp,
  readState,
  runtimeDirectory,
} from "../store/containers.ts";
import { unmark } from "../store/at-rest.ts";
import { transact } from "../store/database.ts";
import { deleteVolume, listOwnAnonymous } from "../store/volumes.ts";
import type { ContainerContext } from "./context.ts";
import { claimContainer } from "./claim.ts";
import { isInNamespacesOf, listDependants } from "./dependants.ts";
import { type Container, findContainer, type Store } from "./find.ts";
import { recordContainerEvent } from "./events.ts";
import { discardSecrets } from "./secrets.ts";
import { sigkill, stopContainer } from "./stop.ts";

export interface RemoveOptions {
  /** Kill it first when it runs. */
  force: boolean;
  /** Its anonymous volumes go too, unless another container has them; absent: as it was made, with --rm. */
  volumes?: boolean;
  /** With `force`, how long it may take to stop when it is asked to; absent: it is not asked. */
  timeoutMs?: number;
  /** Leave it when another command is just at it: container.running. */
  isImpatient?: boolean;
  /** Also those that depend on it, before it. */
  withDependants?: boolean;
}

/**
 * The ids of what was removed, itself last. Errors: container.running without `force`, container.has_dependants without
 * either.
 */
export async function removeContainer(
  context: ContainerContext,
  container: Container,
  options: RemoveOptions,
): Promise<string[]> {
  const removed: string[] = [];
  if (options.withDependants === true) {
    for (const { id } of listDependants(context, container.id)) {
      const dependant = findContainer(context, id); // another of them may have taken it along
      if (dependant !== null) removed.push(...(await removeContainer(context, dependant, options)));
    }
  }
  for (;;) {
    const current = findContainer(context, container.id);
    if (current === null) return [...removed, container.id];
    if (isUp(current.state)) {
      if (!options.force) {
        throw new TspodError("container.running", `Container "${container.name}" is running`, {
          next: `stop it first: tspod stop ${container.name}, or remove it with -f`,
        });
      }
      await stopContainer(context, current, { timeoutMs: options.timeoutMs ?? 0 });
    }
    const lease = await claimContainer(context, container, {
      patient: options.isImpatient !== true,
      passesMounts: options.force,
    });
    if (lease === null) continue;
    using _ = lease;
    // somebody may have started it in between
    if (!isUp(readState(context.paths, container.id))) {
      await removeClaimed(context, container, options);
      return [...removed, container.id];
    }
  }
}

async function removeClaimed(
  context: ContainerContext,
  container: Container,
  options: RemoveOptions,
): Promise<void> {
  const hasVolumesToo = options.volumes ?? container.autoRemove;
  const work = (): { isOurs: boolean; volumes: string[] } => {
    if (!options.force) refuseDependedOn(context, container);
    const volumes = hasVolumesToo ? deleteOwnVolumes(context, container.id) : [];
    return { isOurs: deleteContainer(context.database, container.id), volumes };
  };
  const { isOurs, volumes } = transact(context.database, work, {
    durable: !container.autoRemove,
  });
  if (isOurs) recordContainerEvent(context, "remove", container);
  await discardFiles(context, container.id, volumes);
}

function refuseDependedOn(context: Store, { id, name }: Container): void {
  const dependants = listDependants(context, id);
  if (dependants.length === 0) return;
  const others = dependants.map((dependant) => `"${dependant.name}"`);
  const plural = others.length > 1;
  const isInside = dependants.every((dependant) => isInNamespacesOf(dependant, id));
  const words = isInside
    ? `${plural ? "live" : "lives"} in its namespaces`
    : `${plural ? "depend" : "depends"} on it`;
  throw new TspodError(
    "container.has_dependants",
    `Cannot remove "${name}": ${others.join(", ")} ${words}`,
    { next: `tspod rm --depend ${name} removes ${plural ? "them" : "it"} as well` },
  );
}

/**
 * Row, files and anonymous volumes of a container that is over, or never began. Idempotent: its monitor may have taken
 * the files. One that its monitor starts again is left alone.
 */
export async function discardContainer(
  context: ContainerContext,
  { id }: { id: string },
): Promise<void> {
  if (isUp(readState(context.paths, id))) return;
  const volumes = transact(
    context.database,
    () => {
      const trees = deleteOwnVolumes(context, id);
      deleteContainer(context.database, id);
      return trees;
    },
    { durable: false },
  );
  await discardFiles(context, id, volumes);
}

/** Inside the transaction that deletes the container. Where they lie now. */
function deleteOwnVolumes({ database, paths }: ContainerContext, id: string): string[] {
  return listOwnAnonymous(database, id).flatMap(
    (name) => deleteVolume(database, paths, name) ?? [],
  );
}

/** Delete what belongs to a container without a row, and further trees in the trash. Idempotent. */
export async function discardFiles(
  context: ContainerContext,
  id: string,
  more: readonly string[] = [],
): Promise<void> {
  const runtime = runtimeDirectory(context.paths, id);
  const directory = containerDirectory(context.paths, id);
  await preventStart(context, id);
  await discardGroup(context, basename(runtime));
  rmSync(runtime, { recursive: true, force: true });
  discardSecrets(context.paths, id);
  unmark(context.paths, id);
  const trash = `${context.paths.trash}/${id}`;
  mkdirSync(context.paths.trash, { recursive: true, mode: 0o700 });
  const trees = moveAway(directory, trash) ? [trash, ...more] : more; // or its monitor has done it
  if (trees.length > 0) await emptyTrash(context, [...trees]);
}

/**
 * Where a killed command has left a monitor that is about to start it: that one tells that it runs, and then looks for
 * helper.json (zig/src/monitor/monitor.zig). Without it, it gives up; where it was faster, it is told to end.
 */
async function preventStart({ paths }: ContainerContext, id: string): Promise<void> {
  rmSync(`${containerDirectory(paths, id)}/helper.json`, { force: true });
  if (!isUp(readState(paths, id))) return;
  await control(runtimeDirectory(paths, id), { op: "stop", signal: sigkill, timeoutMs: 0 });
}

/** The cgroup of a container whose monitor was killed, with whom it left in there. */
export async function discardGroup(
  { paths }: ContainerContext,
  runtimeName: string,
): Promise<void> {
  const group = findLeftCgroup(paths, runtimeName);
  if (group !== null) await endGroup(group);
}

/**
 * Files of subordinate ids can only be deleted inside the user namespace; most containers have none. Large and deep
 * trees are the helper's as well: by paths, a thousand levels would take half a minute.
 */
export async function emptyTrash(context: ContainerContext, trees: string[]): Promise<void> {
  const stubborn = trees.filter((tree) => !(isSmall(tree) && removePlainly(tree)));
  if (stubborn.length > 0) {
    await removeTrees(
      { command: context.helper, mapping: context.mapping, signal: context.signal },
      stubborn,
    );
  }
}

const smallLevels = 16;
const smallEntries = 256;

function isSmall(tree: string): boolean {
  let entries = 0;
  const look = (path: string, levels: number): boolean => {
    let names: Dirent[];
    try {
      names = readdirSync(path, { withFileTypes: true });
    } catch {
      return true; // closed to us, or a file, or gone: removing it will tell
    }
    entries += names.length;
    if (levels === 0 || entries > smallEntries) return false;
    return names.every((name) => !name.isDirectory() || look(`${path}/${name.name}`, levels - 1));
  };
  return look(tree, smallLevels);
}

function removePlainly(tree: string): boolean {
  try {
    // overlayfs leaves an empty directory of mode 000 there, which only rmdir can take
    rmdirSync(`${tree}/work/work`);
  } catch {
    // never started, or not empty: the next line sees
  }
  try {
    rmSync(tree, { recursive: true, force: true });
    return true;
  } catch {
    return false; // owned by a subordinate id: the helper can
  }
}
