/**
 * Volumes of a container that is being made. Their directories are there at once, so that they can be filled; their rows
 * come with the container's, in its transaction. Until then a lease keeps each of them, and tells recovery what a
 * killed creator left (discardUnborn).
 */
import { transact } from "../store/database.ts";
import { recordEvent } from "../store/events.ts";
import { keepLease, type Lease } from "../store/leases.ts";
import {
  discardUnborn,
  findVolumeRecord,
  insertVolume,
  insertVolumeUses,
  makeVolumeDirectory,
  type VolumeRecord,
} from "../store/volumes.ts";
import type { VolumeContext } from "./context.ts";
import { newRecord, type NewVolume } from "./create.ts";
import { parseDriverOptions } from "./options.ts";
import { discardTrees } from "./remove.ts";

/** `name` null: a new anonymous one. */
export type WantedVolume = Pick<NewVolume, "name" | "labels" | "options">;

export interface Claimed extends AsyncDisposable {
  /** As they were wanted, with their names. */
  volumes: VolumeRecord[];
  /** Names of those that nobody had before. */
  fresh: Set<string>;
  /** Inside the transaction that inserts the container. */
  insert(containerId: string): void;
}

/** Errors: usage (an option of a new one). Disposing takes away what has got no row. */
export function claimVolumes(context: VolumeContext, wanted: readonly WantedVolume[]): Claimed {
  const { database, paths } = context;
  const leases: Lease[] = [];
  const fresh = new Set<string>();
  const inserted = new Set<string>();
  const claim = (one: WantedVolume): VolumeRecord => {
    const known = one.name === null ? null : findVolumeRecord(database, one.name);
    const record = known ?? newRecord(context, { ...one, isAnonymous: one.name === null });
    if (known === null) parseDriverOptions(record.options);
    if (known === null) fresh.add(record.name);
    leases.push(keepLease(database, `keep:volume:${record.name}`));
    return record;
  };
  const volumes = transact(database, () => wanted.map(claim), { durable: false });
  // not before the leases are there for good, by which recovery finds the directories
  for (const { name } of volumes) makeVolumeDirectory(paths, name);
  return {
    volumes,
    fresh,
    insert: (containerId) => {
      for (const record of volumes) {
        if (insertVolume(database, paths, record)) inserted.add(record.name);
      }
      insertVolumeUses(database, containerId, new Set(volumes.map(({ name }) => name)));
    },
    [Symbol.asyncDispose]: async () => {
      for (const lease of leases) lease[Symbol.dispose]();
      for (const name of inserted) {
        if (findVolumeRecord(database, name) === null) continue; // rolled back
        recordEvent(context, { type: "volume", status: "create", id: name, name });
      }
      const trees = discardUnborn(database, paths, [...fresh]);
      if (trees.length > 0) await discardTrees(context, trees);
    },
  };
}
