/** Makes volumes: by their own command, and for containers that are being made. */
import { TspodError } from "../errors.ts";
import { ownDirectories } from "../helper/index.ts";
import { transact } from "../store/database.ts";
import { recordEvent } from "../store/events.ts";
import {
  findVolumeRecord,
  insertVolume,
  volumeDirectory,
  type VolumeRecord,
} from "../store/volumes.ts";
import type { VolumeContext } from "./context.ts";
import { parseDriverOptions } from "./options.ts";

export type NewVolume = Pick<VolumeRecord, "labels" | "options" | "isAnonymous"> & {
  /** Null: 64 hex characters of randomness. */
  name: string | null;
};

/** Errors: volume.exists unless `ignoresExisting`, usage. */
export async function createVolume(
  context: VolumeContext,
  wanted: NewVolume,
  { ignoresExisting }: { ignoresExisting: boolean },
): Promise<VolumeRecord> {
  const kind = parseDriverOptions(wanted.options);
  const record = newRecord(context, wanted);
  const { database, paths } = context;
  const isNew = transact(database, () => insertVolume(database, paths, record), { durable: true });
  if (!isNew) return existing(context, record, ignoresExisting);
  if (kind.kind === "directory" && kind.owner !== undefined) {
    const { helper: command, mapping, signal } = context;
    const directories = [volumeDirectory(paths, record.name)];
    await ownDirectories({ command, mapping, signal }, kind.owner, directories);
  }
  recordEvent(context, { type: "volume", status: "create", id: record.name, name: record.name });
  return record;
}

function existing(
  { database }: VolumeContext,
  record: VolumeRecord,
  ignoresExisting: boolean,
): VolumeRecord {
  const found = findVolumeRecord(database, record.name) ?? record;
  if (ignoresExisting) return found;
  throw new TspodError("volume.exists", `There is a volume "${record.name}" already`, {
    next: `use it, remove it with tspod volume rm ${record.name}, or create it with --ignore`,
  });
}

export function newRecord(context: Pick<VolumeContext, "now">, wanted: NewVolume): VolumeRecord {
  const { labels, options, isAnonymous } = wanted;
  const name = wanted.name ?? anonymousName();
  return { name, labels, options, isAnonymous, createdAt: context.now() };
}

function anonymousName(): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString("hex");
}
