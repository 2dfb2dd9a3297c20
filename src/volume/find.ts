/** Volumes by name, and what there is to know about one. */
import { readdirSync } from "node:fs";
import { TspodError } from "../errors.ts";
import { readState } from "../store/containers.ts";
import {
  countVolumeUses,
  findVolumeRecord,
  findVolumesByPrefix,
  listVolumeRecords,
  listVolumeUsers,
  volumeDirectory,
  type VolumeRecord,
} from "../store/volumes.ts";
import type { VolumeContext } from "./context.ts";
import { parseDriverOptions } from "./options.ts";

type Store = Pick<VolumeContext, "database" | "paths">;

export interface Volume extends VolumeRecord {
  /** Containers that were made with it. */
  useCount: number;
}

/** By its name or the beginning of it. Errors: volume.not_found, volume.ambiguous. */
export function getVolume({ database }: Store, wanted: string): VolumeRecord {
  const exact = findVolumeRecord(database, wanted);
  if (exact !== null) return exact;
  const [found, other] = wanted === "" ? [] : findVolumesByPrefix(database, wanted);
  if (found === undefined) {
    throw new TspodError("volume.not_found", `Cannot find volume "${wanted}"`, {
      next: "tspod volume ls lists them",
    });
  }
  if (other === undefined) return found;
  throw new TspodError("volume.ambiguous", `"${wanted}" begins more than one volume's name`, {
    next: "give more characters of it",
  });
}

/** By name. */
export function listVolumes({ database }: Store): Volume[] {
  const uses = countVolumeUses(database);
  return listVolumeRecords(database).map((record) => ({
    ...record,
    useCount: uses.get(record.name) ?? 0,
  }));
}

/** In docker's shape, with what podman adds. */
export function inspectVolume(context: Store, volume: VolumeRecord) {
  const { paths } = context;
  const kind = parseDriverOptions(volume.options);
  const { uid, gid } = (kind.kind === "directory" ? kind.owner : undefined) ?? { uid: 0, gid: 0 };
  return {
    CreatedAt: volume.createdAt,
    Driver: "local",
    Labels: volume.labels,
    Mountpoint: mountpoint(paths, volume),
    Name: volume.name,
    Options: volume.options,
    Scope: "local",
    Anonymous: volume.isAnonymous,
    ...{ UID: uid, GID: gid },
    MountCount: countMounts(context, volume),
    /** Whether a container that comes with an image fills it. */
    NeedsCopyUp: isEmpty(volumeDirectory(paths, volume.name)),
    ...{ NeedsChown: false, StorageID: "", Timeout: 0, Status: {} },
  };
}

/** How many that run have it. */
export function countMounts({ database, paths }: Store, { name }: VolumeRecord): number {
  return listVolumeUsers(database, name).filter(
    ({ id }) => readState(paths, id).status === "running",
  ).length;
}

function isEmpty(directory: string): boolean {
  try {
    return readdirSync(directory).length === 0;
  } catch {
    return false; // a container's user has it for himself
  }
}

/** Where its files are; "" of one in memory. */
export function mountpoint(paths: Store["paths"], { name, options }: VolumeRecord): string {
  const kind = parseDriverOptions(options);
  if (kind.kind === "tmpfs") return "";
  return kind.kind === "bind" ? kind.device : volumeDirectory(paths, name);
}

/** The same, of one that has such a place. Throws usage. */
export function requireMountpoint(paths: Store["paths"], volume: VolumeRecord): string {
  const path = mountpoint(paths, volume);
  if (path !== "") return path;
  throw new TspodError("usage", `Cannot mount volume "${volume.name}": it is in memory`, {
    next: "each container has one of its own: tspod exec or tspod cp reach it",
  });
}
