/** Makes volumes: by their own command, and for containers that are being made. */
import { TspodError } from "../errors.ts";
import { ownDirectories } from "../helper/index.ts";
import { transact } from "../store/database.ts";
import { recordEvent } from "../store/events.ts";
import { keepLease } from "../store/leases.ts";
import {
  discardUnborn,
  findVolumeRecord,
  insertVolume,
  makeVolumeDirectory,
  volumeDirectory,
  type VolumeRecord,
} from "../store/volumes.ts";
import type { VolumeContext } from "./context.ts";
import { parseDriverOptions, type VolumeKind } from "./options.ts";

export type NewVolume = Pick<VolumeRecord, "labels" | "options" | "isAnonymous"> & {
  /** Null: 64 hex characters of randomness. */
  name: string | null;
};

/** Errors: volume.exists unless `ignoresExisting`, usage, store.*. */
export async function createVolume(
  context: VolumeContext,
  wanted: NewVolume,
  { ignoresExisting }: { ignoresExisting: boolean },
): Promise<VolumeRecord> {
  const kind = parseDriverOptions(wanted.options);
  const record = newRecord(context, wanted);
  const { database } = context;
  if (kind.kind === "directory") requireMapped(context, kind.owner);
  if (findVolumeRecord(database, record.name) === null && (await make(context, record, kind))) {
    recordEvent(context, { type: "volume", status: "create", id: record.name, name: record.name });
    return record;
  }
  const found = findVolumeRecord(database, record.name) ?? record;
  if (ignoresExisting) return found;
  throw new TspodError("volume.exists", `There is a volume "${record.name}" already`, {
    next: `use it, remove it with tspod volume rm ${record.name}, or create it with --ignore`,
  });
}

function requireMapped({ mapping }: VolumeContext, owner?: { uid: number; gid: number }): void {
  for (const kind of ["uid", "gid"] as const) {
    const id = owner?.[kind] ?? 0;
    const isMapped = mapping[kind].some(
      ({ containerID, size }) => id >= containerID && id < containerID + size,
    );
    if (isMapped || mapping[kind].length === 0) continue;
    throw new TspodError(
      "usage",
      `Cannot give a volume to the ${kind} ${id}: you have no such id`,
      {
        next: "tspod info shows which ids you have inside of containers",
      },
    );
  }
}

/** The row comes last: whoever sees the volume sees all of it. False: somebody was faster. */
async function make(
  { database, paths, helper: command, mapping, signal }: VolumeContext,
  record: VolumeRecord,
  kind: VolumeKind,
): Promise<boolean> {
  try {
    using _ = keepLease(database, `keep:volume:${record.name}`);
    makeVolumeDirectory(paths, record.name);
    if (kind.kind === "directory" && kind.owner !== undefined) {
      const directories = [volumeDirectory(paths, record.name)];
      await ownDirectories({ command, mapping, signal }, kind.owner, directories);
    }
    return transact(database, () => insertVolume(database, paths, record), { durable: true });
  } catch (error) {
    discardUnborn(database, paths, [record.name]);
    throw error;
  }
}

export function newRecord(context: Pick<VolumeContext, "now">, wanted: NewVolume): VolumeRecord {
  const { labels, options, isAnonymous } = wanted;
  const name = wanted.name ?? anonymousName();
  return { name, labels, options, isAnonymous, createdAt: context.now() };
}

function anonymousName(): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString("hex");
}
