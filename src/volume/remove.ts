/** Removes volumes that no container has: row and directory in one transaction, then what was in it. */
import { rmSync } from "node:fs";
import { TspodError } from "../errors.ts";
import { removeTrees } from "../helper/index.ts";
import { transact } from "../store/database.ts";
import { recordEvent } from "../store/events.ts";
import { hasLivingOwner } from "../store/leases.ts";
import {
  deleteVolume,
  findVolumeRecord,
  listVolumeUsers,
  type VolumeRecord,
} from "../store/volumes.ts";
import type { VolumeContext } from "./context.ts";

/** Errors: volume.in_use, volume.not_found. */
export async function removeVolume(
  context: VolumeContext,
  { name }: Pick<VolumeRecord, "name">,
): Promise<void> {
  const { database, paths } = context;
  const trash = transact(
    database,
    () => {
      if (findVolumeRecord(database, name) === null) throw removedMeanwhile(name);
      refuseInUse(context, name);
      return deleteVolume(database, paths, name);
    },
    { durable: true },
  );
  recordEvent(context, { type: "volume", status: "remove", id: name, name });
  if (trash !== null) await discardTrees(context, [trash]);
}

function removedMeanwhile(name: string): TspodError {
  return new TspodError("volume.not_found", `Volume "${name}" has just been removed`, {
    next: "tspod volume ls lists those that are left",
  });
}

function refuseInUse({ database }: VolumeContext, name: string): void {
  const users = listVolumeUsers(database, name).map((user) => `"${user.name}"`);
  const [first] = users;
  if (first !== undefined) {
    const who = users.length === 1 ? `container ${first}` : `containers ${users.join(", ")}`;
    throw new TspodError("volume.in_use", `Volume "${name}" is in use by ${who}`, {
      next: "remove the container first, or both with tspod volume rm -f",
    });
  }
  if (!hasLivingOwner(database, `keep:volume:${name}`)) return;
  throw new TspodError("volume.in_use", `Volume "${name}" is in use: a container is being made`, {
    next: "wait for it, or try again",
  });
}

export interface Unwanted {
  name: string;
  /** Of what was in it. */
  sizeBytes: number;
}

/**
 * All of the candidates that nobody uses. `measure` gives the bytes in a volume before it goes. What somebody takes in
 * the meantime stays.
 */
export async function pruneVolumes(
  context: VolumeContext,
  candidates: readonly VolumeRecord[],
  measure: (volume: VolumeRecord) => number,
): Promise<Unwanted[]> {
  const pruned: Unwanted[] = [];
  for (const volume of candidates) {
    const sizeBytes = measure(volume);
    try {
      await removeVolume(context, volume);
    } catch (error) {
      const isTaken =
        error instanceof TspodError && /^volume\.(in_use|not_found)$/.test(error.code);
      if (!isTaken) throw error;
      continue;
    }
    pruned.push({ name: volume.name, sizeBytes });
  }
  return pruned;
}

/**
 * Trees of subordinate ids too, which only the helper may delete. What cannot be deleted now lies in the trash for the
 * next command.
 */
export async function discardTrees(context: VolumeContext, trees: string[]): Promise<void> {
  const stubborn = trees.filter((tree) => !removePlainly(tree));
  if (stubborn.length === 0) return;
  const { helper: command, mapping, signal } = context;
  await removeTrees({ command, mapping, signal }, stubborn);
}

function removePlainly(tree: string): boolean {
  try {
    rmSync(tree, { recursive: true, force: true });
    return true;
  } catch {
    return false; // another user's of the container: the helper can
  }
}
