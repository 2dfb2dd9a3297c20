/**
 * Rows of volumes, and where their files lie: `volumes/<name>/_data` is what a container sees. The directory is there
 * before the row, and goes within the transaction that deletes the row, so two who make and remove one name are in order.
 */
import type { Database } from "bun:sqlite";
import { mkdirSync, renameSync, symlinkSync } from "node:fs";
import { basename } from "node:path";
import { TspodError } from "../errors.ts";
import { transact } from "./database.ts";
import { trashName } from "./layers.ts";
import { hasLivingOwner } from "./leases.ts";
import type { Paths } from "./paths.ts";
import { besideName } from "./trash.ts";

export interface VolumeRecord {
  name: string;
  labels: Record<string, string>;
  /** Of the local driver, as -o gave them: "type", "device", "o". */
  options: Record<string, string>;
  /** Made for one container, which had no name for it. */
  isAnonymous: boolean;
  /** RFC 3339. */
  createdAt: string;
}

export const volumeHome = (paths: Pick<Paths, "volumes">, name: string): string =>
  `${paths.volumes}/${name}`;

export const volumeDirectory = (paths: Pick<Paths, "volumes">, name: string): string =>
  `${volumeHome(paths, name)}/_data`;

/** Docker's rule for names. Throws volume.invalid. */
export function parseVolumeName(text: string): string {
  if (/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}$/.test(text)) return text;
  throw new TspodError("volume.invalid", `Invalid volume name "${text}"`, {
    next: "use letters, digits, '_', '.' and '-', or an absolute path for a directory of the host",
  });
}

interface Row {
  name: string;
  labels: string;
  options: string;
  anonymous: number;
  created_at: string;
}

const columns = "name, labels, options, anonymous, created_at";

function fromRow(row: Row): VolumeRecord {
  return {
    name: row.name,
    labels: JSON.parse(row.labels) as Record<string, string>, // we wrote it
    options: JSON.parse(row.options) as Record<string, string>, // we wrote it
    isAnonymous: row.anonymous === 1,
    createdAt: row.created_at,
  };
}

/** By name. */
export function listVolumeRecords(database: Database): VolumeRecord[] {
  const sql = `SELECT ${columns} FROM volume ORDER BY name`;
  return database.query<Row, []>(sql).all().map(fromRow);
}

export function findVolumeRecord(database: Database, name: string): VolumeRecord | null {
  const sql = `SELECT ${columns} FROM volume WHERE name = ?`;
  const row = database.query<Row, [string]>(sql).get(name);
  return row === null ? null : fromRow(row);
}

/** Names that begin so: none, one, or more when it is ambiguous. */
export function findVolumesByPrefix(database: Database, prefix: string): VolumeRecord[] {
  const sql = `SELECT ${columns} FROM volume WHERE substr(name, 1, length(?1)) = ?1 LIMIT 2`;
  return database.query<Row, [string]>(sql).all(prefix).map(fromRow);
}

export function makeVolumeDirectory(paths: Paths, name: string): void {
  mkdirSync(volumeDirectory(paths, name), { recursive: true, mode: 0o755 });
}

/**
 * Inside a transaction: the directory, then the row. False: it is there already, whoever made it. The caller has a lease
 * "keep:volume:<name>", by which recovery finds a directory that was made for nothing.
 */
export function insertVolume(database: Database, paths: Paths, record: VolumeRecord): boolean {
  makeVolumeDirectory(paths, record.name);
  return (
    database
      .query(`INSERT OR IGNORE INTO volume (${columns}) VALUES (?, ?, ?, ?, ?)`)
      .run(
        record.name,
        JSON.stringify(record.labels),
        JSON.stringify(record.options),
        record.isAnonymous ? 1 : 0,
        record.createdAt,
      ).changes > 0
  );
}

/**
 * Inside a transaction: what is in it lies in the trash afterwards. The path there; null: it has no directory any more.
 * The rename comes last, for it is what no rollback undoes. Throws volume.in_use when something is mounted on it.
 */
export function deleteVolume(database: Database, paths: Paths, name: string): string | null {
  database.query("DELETE FROM volume WHERE name = ?").run(name);
  mkdirSync(paths.trash, { recursive: true, mode: 0o700 });
  return moveToTrash(paths, name);
}

function moveToTrash(paths: Paths, name: string): string | null {
  const home = volumeHome(paths, name);
  const trash = trashName(paths, `volume-${name.slice(0, 64)}`);
  try {
    renameSync(home, trash);
    return trash;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException; // of a system call
    if (code === "ENOENT") return null; // somebody deleted it by hand
    if (code === "EXDEV") return moveBeside(paths, home, trash);
    if (code === "EBUSY") throw mountedOn(name, home);
    throw error;
  }
}

/**
 * Volumes have been put on a disk of their own: what goes lies beside them, under a name that none of them can have, and
 * a link in the trash says so.
 */
function moveBeside(paths: Paths, home: string, trash: string): string {
  const beside = besideName(paths, basename(trash));
  symlinkSync(beside, trash);
  renameSync(home, beside);
  return beside;
}

function mountedOn(name: string, home: string): TspodError {
  return new TspodError("volume.in_use", `Volume "${name}" is in use: "${home}" is a mount point`, {
    next: `unmount it first: umount ${home}`,
  });
}

/** Directories of volumes that never got a row, now in the trash. Those that a living process is at are left to it. */
export function discardUnborn(
  database: Database,
  paths: Paths,
  names: readonly string[],
): string[] {
  const discard = (name: string): string[] => {
    const isWanted =
      findVolumeRecord(database, name) !== null || hasLivingOwner(database, `keep:volume:${name}`);
    const trash = isWanted ? null : deleteVolume(database, paths, name);
    return trash === null ? [] : [trash];
  };
  const isUnborn = (name: string): boolean => findVolumeRecord(database, name) === null;
  if (!names.some(isUnborn)) return [];
  return transact(database, () => names.flatMap(discard), { durable: false });
}

/** Inside the transaction that inserts the container. */
export function insertVolumeUses(
  database: Database,
  containerId: string,
  names: Iterable<string>,
): void {
  const insert = database.query("INSERT OR IGNORE INTO container_volume VALUES (?, ?)");
  for (const name of names) insert.run(containerId, name);
}

/** Ids of the containers that were made with it. */
export function listVolumeUsers(database: Database, name: string): { id: string; name: string }[] {
  const sql = `SELECT container.id, container.name FROM container_volume
    JOIN container ON container.id = container_volume.container_id
    WHERE container_volume.volume = ? ORDER BY container.created_at`;
  return database.query<{ id: string; name: string }, [string]>(sql).all(name);
}

/** Volume name -> how many containers were made with it. */
export function countVolumeUses(database: Database): Map<string, number> {
  const sql = "SELECT volume, count(*) AS uses FROM container_volume GROUP BY volume";
  const rows = database.query<{ volume: string; uses: number }, []>(sql).all();
  return new Map(rows.map(({ volume, uses }) => [volume, uses]));
}

/** Those that were made for this container and have no other user. */
export function listOwnAnonymous(database: Database, containerId: string): string[] {
  const sql = `SELECT volume.name FROM container_volume AS mine JOIN volume ON volume.name = mine.volume
    WHERE mine.container_id = ?1 AND volume.anonymous = 1 AND NOT EXISTS
      (SELECT 1 FROM container_volume AS other WHERE other.volume = mine.volume AND other.container_id <> ?1)`;
  return database
    .query<{ name: string }, [string]>(sql)
    .all(containerId)
    .map(({ name }) => name);
}
