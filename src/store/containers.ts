/** Rows of containers, and the state that lies beside them in files. Knows what is recorded, not how to start one. */
import type { Database } from "bun:sqlite";
import { readFileSync } from "node:fs";
import { isSameProcess, type ProcessIdentity } from "../lib/process-identity.ts";
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
  /** Who is making it: until it has started once, that process alone vouches for it. */
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

function fromRow(row: Row): ContainerRecord {
  return {
    id: row.id,
    name: row.name,
    imageId: row.image_id,
    imageName: row.image_name,
    command: JSON.parse(row.command) as string[], // we wrote it
    labels: JSON.parse(row.labels) as Record<string, string>, // we wrote it
    options: JSON.parse(row.options),
    autoRemove: row.auto_remove === 1,
    createdAt: row.created_at,
    creator: row.creator,
  };
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

export function deleteContainer(database: Database, id: string): void {
  database.query("DELETE FROM container WHERE id = ?").run(id);
}

/** Newest first. */
export function listContainers(database: Database): ContainerRecord[] {
  const sql = `SELECT ${columns} FROM container ORDER BY created_at DESC, rowid DESC`;
  return database.query<Row, []>(sql).all().map(fromRow);
}

export function listIds(database: Database): string[] {
  return database
    .query<{ id: string }, []>("SELECT id FROM container")
    .all()
    .map(({ id }) => id);
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

export const runtimeDirectory = (paths: Paths, id: string): string =>
  `${paths.runtime}/${id.slice(0, runtimeNameLength)}`;

/** What the files beside a row say now. */
export type ContainerState =
  | { status: "created" }
  | {
      status: "running";
      pid: number;
      pidStart: number;
      startedAt: string;
      /** Absent: 0. */
      restartCount?: number;
      /** Absent: it has no health check. */
      health?: HealthStatus;
    }
  /** It has ended, and its monitor starts it again after a pause. */
  | ({ status: "restarting" } & Ended)
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

export function readState(paths: Paths, id: string): ContainerState {
  const running = readJson<StateFile>(`${runtimeDirectory(paths, id)}/state.json`);
  if (running !== null && isSameProcess(running.monitorPid, running.monitorStart)) {
    return livingState(running);
  }
  const directory = containerDirectory(paths, id);
  const exited = readJson<ExitFile>(`${directory}/exit.json`);
  // the runtime directory is gone after a reboot; that it ran is not
  const lastStart = running ?? readJson<RunFile>(`${directory}/run.json`);
  if (exited !== null && (lastStart === null || exited.startedAt >= lastStart.startedAt)) {
    return { ...exited, status: "exited" };
  }
  if (lastStart === null) return { status: "created" };
  return {
    status: "exited",
    exitCode: killedExitCode,
    oomKilled: false,
    startedAt: lastStart.startedAt,
    finishedAt: lastStart.startedAt,
  };
}

function livingState(file: StateFile): ContainerState {
  const { pid, pidStart, startedAt, restartCount = 0, health } = file;
  if (file.status === "restarting") {
    const { exitCode = 0, finishedAt = startedAt } = file;
    return { status: "restarting", exitCode, startedAt, finishedAt, restartCount };
  }
  return {
    ...{ status: "running", pid, pidStart, startedAt, restartCount },
    ...(health === undefined ? {} : { health }),
  };
}

/** Whether somebody has frozen the cgroup of a container that runs (cgroup-v2.rst, "cgroup.freeze"). */
export function isPaused(paths: Paths, id: string): boolean {
  const running = readJson<StateFile>(`${runtimeDirectory(paths, id)}/state.json`);
  const group = running?.cgroup ?? "";
  return group !== "" && readJson<number>(`${group}/cgroup.freeze`) === 1;
}

/** The cgroup of a container that runs. Null: it has none. */
export function containerCgroup(paths: Paths, id: string): string | null {
  const running = readJson<StateFile>(`${runtimeDirectory(paths, id)}/state.json`);
  return running?.cgroup === undefined || running.cgroup === "" ? null : running.cgroup;
}

/** The cgroup that a monitor died too early to remove, by the name of its runtime directory. Null: none. */
export function findLeftCgroup(paths: Paths, runtimeName: string): string | null {
  const running = readJson<StateFile>(`${paths.runtime}/${runtimeName}/state.json`);
  if (running?.cgroup === undefined || running.cgroup === "") return null;
  return isSameProcess(running.monitorPid, running.monitorStart) ? null : running.cgroup;
}

/** Null when the file is not there or (a power cut) not whole. */
function readJson<T>(path: string): T | null {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as T; // written by our monitor
  } catch {
    return null;
  }
}
