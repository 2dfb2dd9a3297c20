/** Rows of containers, and the state that lies beside them in files. Knows what is recorded, not how to start one. */
import type { Database } from "bun:sqlite";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { isSameProcess, type ProcessIdentity } from "../lib/process-identity.ts";
import { readAtRest } from "./at-rest.ts";
import type { Paths } from "./paths.ts";

export interface ContainerRecord {
  id: string;
  name: string;
  imageId: string;
  imageName: string;
  command: string[];
  labels: Record<string, string>;
  /** CreateOptions, as asked. */
  options: unknown;
  autoRemove: boolean;
  /** RFC 3339. */
  createdAt: string;
  /** Who is about to run it: until it has started once, that process alone vouches for it. "": it waits for a start. */
  creator: ProcessIdentity;
}

interface Row {
  id: string;
  name: string;
  image_id: string;
  image_name: string;
  command: string;
  labels: string;
  options: string;
  auto_remove: number;
  created_at: string;
  creator: string;
}

const columns =
  "id, name, image_id, image_name, command, labels, options, auto_remove, created_at, creator";

/** What is parsed we wrote. */
function fromRow(row: Row): ContainerRecord {
  return {
    id: row.id,
    name: row.name,
    imageId: row.image_id,
    imageName: row.image_name,
    command: JSON.parse(row.command) as string[],
    labels: JSON.parse(row.labels) as Record<string, string>,
    options: JSON.parse(row.options),
    autoRemove: row.auto_remove === 1,
    createdAt: row.created_at,
    creator: row.creator,
  };
}

/**
 * The same of one among a thousand: what is asked of few of them is parsed when it is asked for. A copy made with "..." is
 * without that.
 */
class ListedContainer implements ContainerRecord {
  readonly id: string;
  readonly name: string;
  readonly imageId: string;
  readonly imageName: string;
  readonly createdAt: string;
  readonly creator: string;
  private readonly row: Row;
  private parsedLabels: Record<string, string> | undefined;
  private parsedOptions: unknown;

  constructor(row: Row) {
    this.row = row;
    this.id = row.id;
    this.name = row.name;
    this.imageId = row.image_id;
    this.imageName = row.image_name;
    this.createdAt = row.created_at;
    this.creator = row.creator;
  }

  get autoRemove(): boolean {
    return this.row.auto_remove === 1;
  }

  get command(): string[] {
    return JSON.parse(this.row.command) as string[];
  }

  get labels(): Record<string, string> {
    return (this.parsedLabels ??= JSON.parse(this.row.labels) as Record<string, string>);
  }

  get options(): unknown {
    return (this.parsedOptions ??= JSON.parse(this.row.options));
  }
}

/** Throws SQLiteError SQLITE_CONSTRAINT_UNIQUE when the name is taken. */
export function insertContainer(database: Database, record: ContainerRecord): void {
  database
    .query(
      `INSERT INTO container (${columns})
       VALUES ($id, $name, $imageId, $imageName, $command, $labels, $options, $autoRemove, $createdAt, $creator)`,
    )
    .run({
      ...record,
      command: JSON.stringify(record.command),
      labels: JSON.stringify(record.labels),
      options: JSON.stringify(record.options),
      autoRemove: record.autoRemove ? 1 : 0,
    });
}

/** Throws SQLiteError SQLITE_CONSTRAINT_UNIQUE when the name is taken. */
export function renameContainer(database: Database, id: string, name: string): void {
  database.query("UPDATE container SET name = ? WHERE id = ?").run(name, id);
}

/** CreateOptions as they are from now on. */
export function updateOptions(database: Database, id: string, options: unknown): void {
  database.query("UPDATE container SET options = ? WHERE id = ?").run(JSON.stringify(options), id);
}

/** False: somebody else had done it. */
export function deleteContainer(database: Database, id: string): boolean {
  return database.query("DELETE FROM container WHERE id = ?").run(id).changes > 0;
}

/** Those that may depend on another one: how, is in their options. */
export function listMentioning(database: Database, id: string): ContainerRecord[] {
  // a text search finds all of them and perhaps more: the caller looks closer
  const sql = `SELECT ${columns} FROM container WHERE instr(options, ?1) > 0 AND id != ?1`;
  return database.query<Row, [string]>(sql).all(id).map(fromRow);
}

/** Newest first. */
export function listContainers(database: Database): ContainerRecord[] {
  // as they were written down, which takes no sorting: that a clock went back, or two were made at once, is rare
  const sql = `SELECT ${columns} FROM container ORDER BY rowid DESC`;
  const rows = database.query<Row, []>(sql).all();
  const isInOrder = rows.every((row, index) => {
    const older = rows[index + 1];
    return older === undefined || older.created_at <= row.created_at;
  });
  if (!isInOrder) rows.sort((a, b) => compare(b.created_at, a.created_at));
  return rows.map((row) => new ListedContainer(row));
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** The one that was created last. */
export function newestContainer(database: Database): ContainerRecord | undefined {
  const sql = `SELECT ${columns} FROM container ORDER BY created_at DESC, rowid DESC LIMIT 1`;
  return database.query<Row, []>(sql).all().map(fromRow)[0];
}

export function listIds(database: Database): string[] {
  // one text: a thousand rows would take three times as long
  const sql = "SELECT group_concat(id) AS ids FROM container";
  return database.query<{ ids: string | null }, []>(sql).get()?.ids?.split(",") ?? [];
}

/** Those that go away with their end. */
export function listAutoRemove(database: Database): Pick<ContainerRecord, "id" | "creator">[] {
  const sql = "SELECT id, creator FROM container WHERE auto_remove = 1";
  return database.query<Pick<ContainerRecord, "id" | "creator">, []>(sql).all();
}

/** Enough to know that a prefix is ambiguous. */
const candidatesMax = 2;

/** By exact name, exact id, or id prefix: none, one, or more when the prefix is ambiguous. */
export function findContainers(database: Database, wanted: string): ContainerRecord[] {
  const exact = `SELECT ${columns} FROM container WHERE name = ?1 OR id = ?1`;
  const row = database.query<Row, [string]>(exact).get(wanted);
  if (row !== null) return [fromRow(row)];
  if (!/^[0-9a-f]{1,64}$/.test(wanted)) return [];
  const byPrefix = `SELECT ${columns} FROM container WHERE id GLOB ?1 || '*' LIMIT ${candidatesMax}`;
  return database.query<Row, [string]>(byPrefix).all(wanted).map(fromRow);
}

export const containerDirectory = (paths: Paths, id: string): string => `${paths.containers}/${id}`;

/** Socket paths hold 108 bytes: a part of the id is enough to be unique. */
const runtimeNameLength = 24;

const runtimeName = (id: string): string => id.slice(0, runtimeNameLength);

export const runtimeDirectory = (paths: Paths, id: string): string =>
  `${paths.runtime}/${runtimeName(id)}`;

/** What the files beside a row say now. */
export type ContainerState =
  | { status: "created" }
  | {
      status: "running";
      pid: number;
      pidStart: number;
      /** Who stays with it. */
      monitorPid: number;
      startedAt: string;
      /** The directory of its cgroup; "" when it has none. */
      cgroup: string;
      /** Absent: 0. */
      restartCount?: number;
      /** Absent: it has no health check. */
      health?: HealthStatus;
      /** Something in it was killed for want of memory, since it was last started. */
      oomKilled?: boolean;
    }
  /** It has ended, and its monitor starts it again after a pause. */
  | ({ status: "restarting"; monitorPid: number } & Ended)
  | ({ status: "exited" } & Ended & {
        oomKilled: boolean;
        /** Somebody asked for its end: only `start` starts it again. */
        stoppedByUser?: boolean;
        /** Why it could not be started again. */
        failure?: Failure;
      });

interface Ended {
  exitCode: number;
  startedAt: string;
  finishedAt: string;
  /** Absent: 0. */
  restartCount?: number;
  oomKilled?: boolean;
}

export type HealthStatus = "starting" | "healthy" | "unhealthy";

interface Failure {
  call: string;
  detail: string;
  errno: string;
}

/** Whether a monitor stays with it: then it is stopped before it is started or removed. */
export function isUp({ status }: Pick<ContainerState, "status">): boolean {
  return status === "running" || status === "restarting";
}

/** state.json. */
interface StateFile {
  /** Absent in what an older version wrote. */
  status?: "running" | "restarting";
  pid: number;
  pidStart: number;
  monitorPid: number;
  monitorStart: number;
  startedAt: string;
  /** Absent in what an older version wrote. */
  cgroup?: string;
  restartCount?: number;
  health?: HealthStatus;
  oomKilled?: boolean;
  exitCode?: number;
  finishedAt?: string;
}

interface ExitFile {
  exitCode: number;
  oomKilled: boolean;
  startedAt: string;
  finishedAt: string;
  stoppedByUser?: boolean;
  restartCount?: number;
  failure?: Failure;
}

interface RunFile {
  startedAt: string;
}

/** 128 + SIGKILL: what a container whose monitor vanished has ended with. */
const killedExitCode = 137;

export function readState(paths: Paths, id: string, looks = 1): ContainerState {
  const directory = runtimeDirectory(paths, id);
  const { file, isAlive } = existsSync(directory) ? look(directory) : unseen;
  return file !== null && isAlive ? livingState(file) : endOf(paths, id, file, looks);
}

/** What is in one runtime directory. */
interface Seen {
  /** Null: nothing that could be read. */
  file: StateFile | null;
  /** Its monitor is there. */
  isAlive: boolean;
}

const unseen: Seen = { file: null, isAlive: false };

function look(path: string): Seen {
  const file = readJson<StateFile>(`${path}/state.json`);
  return { file, isAlive: file !== null && isSameProcess(file.monitorPid, file.monitorStart) };
}

/** The recovery of a command and its list of containers come one after the other: they can share a look. */
const freshMs = 200;
let lastLook: { runtime: string; atMs: number; seen: Map<string, Seen> } | undefined;

/** All runtime directories, by their names: one listing, and a look into each. */
function lookAtAll({ runtime }: Pick<Paths, "runtime">): ReadonlyMap<string, Seen> {
  const atMs = performance.now();
  if (lastLook?.runtime === runtime && atMs - lastLook.atMs < freshMs) return lastLook.seen;
  let names: string[];
  try {
    names = readdirSync(runtime);
  } catch {
    names = []; // nothing has run since the host was started
  }
  const seen = new Map(names.map((name) => [name, look(`${runtime}/${name}`)]));
  lastLook = { runtime, atMs, seen };
  return seen;
}

/** The names of runtime directories whose monitor is gone without a word, or is just being started. */
export function listUnattended(paths: Pick<Paths, "runtime">): string[] {
  return [...lookAtAll(paths)].filter(([, { isAlive }]) => !isAlive).map(([name]) => name);
}

/** The states of many, as they are now: those whose runtime directory is not there do not run. */
export function stateReader(paths: Paths): (id: string) => ContainerState {
  const all = lookAtAll(paths);
  const atRest = readAtRest(paths); // afterwards: who was not seen running and is there has not run in between
  return (id) => {
    const seen = all.get(runtimeName(id));
    if (seen === undefined) return atRest(id) ?? readState(paths, id); // it may run by now
    return seen.isAlive && seen.file !== null ? livingState(seen.file) : readState(paths, id);
  };
}

/** `left`: what a monitor that is gone has left. */
function endOf(paths: Paths, id: string, left: StateFile | null, looks: number): ContainerState {
  const directory = containerDirectory(paths, id);
  const exited = readIfThere<ExitFile>(`${directory}/exit.json`);
  // the runtime directory is gone after a reboot; that it ran is not, until it is told how it ended
  const lastStart = left ?? readIfThere<RunFile>(`${directory}/run.json`);
  if (exited !== null && (lastStart === null || exited.startedAt >= lastStart.startedAt)) {
    return { ...exited, status: "exited" };
  }
  if (lastStart === null) return { status: "created" };
  if (looks === 1) return readState(paths, id, 2); // it may have been started since the first one
  return {
    status: "exited",
    exitCode: killedExitCode,
    oomKilled: left?.oomKilled ?? false,
    startedAt: lastStart.startedAt,
    finishedAt: lastStart.startedAt,
  };
}

function livingState(file: StateFile): ContainerState {
  const { pid, pidStart, monitorPid, startedAt, cgroup = "", health } = file;
  const { restartCount = 0, oomKilled = false } = file;
  if (file.status === "restarting") {
    const { exitCode = 0, finishedAt = startedAt } = file;
    const ended = { exitCode, startedAt, finishedAt, restartCount, oomKilled };
    return { status: "restarting", monitorPid, ...ended };
  }
  return {
    ...{ status: "running", pid, pidStart, monitorPid, startedAt, cgroup, restartCount, oomKilled },
    ...(health === undefined ? {} : { health }),
  };
}

/** Whether somebody has frozen this cgroup (cgroup-v2.rst, "cgroup.freeze"). */
export function isFrozen(cgroup: string): boolean {
  return cgroup !== "" && readJson<number>(`${cgroup}/cgroup.freeze`) === 1;
}

/** The cgroup that a monitor died too early to remove, by the name of its runtime directory. Null: none. */
export function findLeftCgroup(paths: Paths, runtimeName: string): string | null {
  const left = readJson<StateFile>(`${paths.runtime}/${runtimeName}/state.json`);
  return left?.cgroup && !isSameProcess(left.monitorPid, left.monitorStart) ? left.cgroup : null;
}

/** Of most containers there is no such file, and a look is cheaper than a failed read. */
function readIfThere<T>(path: string): T | null {
  return existsSync(path) ? readJson<T>(path) : null;
}

/** Null when the file is not there or (a power cut) not whole. */
function readJson<T>(path: string): T | null {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as T; // written by our monitor
  } catch {
    return null;
  }
}
