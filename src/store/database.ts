/**
 * The SQLite file: the only lock there is (WAL, immediate transactions). Knows the schema, not what the rows mean.
 * Nothing may await inside a transaction.
 */
import { Database, SQLiteError } from "bun:sqlite";
import { closeSync, fsyncSync, mkdirSync, openSync, statSync } from "node:fs";
import { TspodError } from "../errors.ts";
import type { Paths } from "./paths.ts";

/** Another process holds the write lock for milliseconds; a stopped one (Ctrl-Z, a debugger) may for longer. */
const busyTimeoutMs = 20_000;

/**
 * The write-ahead log before whoever opens the database copies it there and empties it: the first command after a quiet
 * moment reads the whole log, so it stays small (0.5 ms), and the copying is shared by some thirty commands.
 *
 * SQLite's own way (wal_autocheckpoint) does not do for short commands: what has been copied is only known as long as
 * somebody has the database open, so each would copy all of the log again, and none would ever begin it anew. It is for
 * crowds, in which nobody comes at a quiet moment.
 */
const logBytesMax = 400 * 1024;
const crowdLogPagesMax = 1000;

const connectionSettings = `
  PRAGMA busy_timeout = ${busyTimeoutMs};
  PRAGMA wal_autocheckpoint = ${crowdLogPagesMax};
  PRAGMA synchronous = NORMAL;
  PRAGMA foreign_keys = ON;
`;

/** One entry a version: `PRAGMA user_version` says how many have been applied. Never edit one, add one. */
const migrations = [
  `
  CREATE TABLE image (
    id TEXT PRIMARY KEY,               -- digest of the image config, "sha256:<hex>", as docker shows it
    manifest_digest TEXT NOT NULL,     -- of this platform's manifest
    manifest TEXT NOT NULL,            -- its bytes
    config TEXT NOT NULL,              -- the image config's bytes: run reads this row and nothing else
    platform TEXT NOT NULL,            -- "linux/amd64", "linux/arm64/v8"
    size_bytes INTEGER NOT NULL,       -- of the unpacked layers, as docker's SIZE
    created_at TEXT NOT NULL,          -- RFC 3339, from the config; "" when the image does not say
    pulled_at TEXT NOT NULL
  ) STRICT;
  CREATE TABLE image_name (
    reference TEXT PRIMARY KEY,        -- canonical: "docker.io/library/alpine:latest" or "...@sha256:<hex>"
    image_id TEXT NOT NULL REFERENCES image(id),
    digest TEXT                        -- what the registry calls it (index or manifest), for repo digests
  ) STRICT;
  CREATE INDEX image_name_image ON image_name(image_id);
  CREATE TABLE layer (
    chain_id TEXT PRIMARY KEY,         -- image-spec config.md "Layer ChainID", hex without the algorithm
    diff_id TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,       -- bytes of file content unpacked
    is_opaque INTEGER NOT NULL         -- its root directory hides all layers below: overlayfs cannot say that
  ) STRICT;
  CREATE TABLE image_layer (
    image_id TEXT NOT NULL REFERENCES image(id) ON DELETE CASCADE,
    position INTEGER NOT NULL,         -- 0 is the base
    chain_id TEXT NOT NULL REFERENCES layer(chain_id),
    blob_digest TEXT NOT NULL,         -- of the compressed blob
    PRIMARY KEY (image_id, position)
  ) STRICT;
  CREATE INDEX image_layer_chain ON image_layer(chain_id);
  CREATE TABLE container (
    id TEXT PRIMARY KEY,               -- 64 hex characters
    name TEXT NOT NULL UNIQUE,
    image_id TEXT NOT NULL,
    image_name TEXT NOT NULL,          -- as the user wrote it
    command TEXT NOT NULL,             -- JSON array: what ps shows
    labels TEXT NOT NULL,              -- JSON object
    options TEXT NOT NULL,             -- JSON: CreateOptions, so that inspect and commit can say what was asked
    auto_remove INTEGER NOT NULL,
    created_at TEXT NOT NULL,
    creator TEXT NOT NULL              -- "pid:start:boot id" of the command that made it
  ) STRICT;
  CREATE INDEX container_image ON container(image_id);
  CREATE TABLE volume (
    name TEXT PRIMARY KEY,
    labels TEXT NOT NULL,
    anonymous INTEGER NOT NULL,
    created_at TEXT NOT NULL
  ) STRICT;
  CREATE TABLE lease (
    id INTEGER PRIMARY KEY,
    owner TEXT NOT NULL,               -- "pid:start:boot id" of the process that makes or uses it
    resource TEXT NOT NULL             -- "make:layer:<chain id>", "keep:blob:<hex>": see store/leases.ts
  ) STRICT;
  CREATE INDEX lease_resource ON lease(resource);
  CREATE TABLE host_fact (
    key TEXT PRIMARY KEY,              -- what was tried, with the kernel version: "overlay 6.18.0 <device>"
    value TEXT NOT NULL
  ) STRICT;
  `,
  `
  CREATE TABLE mapped_layer (
    chain_id TEXT NOT NULL REFERENCES layer(chain_id) ON DELETE CASCADE,
    owners TEXT NOT NULL,              -- which ids its files belong to: the name of its directory in the layer's
    PRIMARY KEY (chain_id, owners)
  ) STRICT;
  `,
  `
  ALTER TABLE volume ADD COLUMN options TEXT NOT NULL DEFAULT '{}'; -- JSON object: as -o gave them
  CREATE TABLE container_volume (      -- which volumes a container was made with: those are in use
    container_id TEXT NOT NULL REFERENCES container(id) ON DELETE CASCADE,
    volume TEXT NOT NULL,              -- its name; no reference: a volume that somebody deleted by hand is made again
    PRIMARY KEY (container_id, volume)
  ) STRICT;
  CREATE INDEX container_volume_volume ON container_volume(volume);
  CREATE TABLE secret (
    id TEXT PRIMARY KEY,               -- 25 hex characters, as podman's
    name TEXT NOT NULL UNIQUE,
    labels TEXT NOT NULL,              -- JSON object
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    data BLOB NOT NULL
  ) STRICT;
  `,
  `
  CREATE TABLE network (
    id TEXT PRIMARY KEY,               -- 64 hex characters
    name TEXT NOT NULL UNIQUE,
    labels TEXT NOT NULL,              -- JSON object
    settings TEXT NOT NULL,            -- JSON: NetworkSettings (store/networks.ts)
    created_at TEXT NOT NULL
  ) STRICT;
  CREATE TABLE member (                -- a container on a network, whether it runs or not
    container_id TEXT NOT NULL REFERENCES container(id) ON DELETE CASCADE,
    network_id TEXT NOT NULL REFERENCES network(id), -- which cannot go before
    interface TEXT NOT NULL,
    address4 TEXT NOT NULL,
    address6 TEXT,
    mac TEXT NOT NULL,
    aliases TEXT NOT NULL,             -- JSON array
    PRIMARY KEY (container_id, network_id),
    UNIQUE (container_id, interface),
    UNIQUE (network_id, address4),
    UNIQUE (network_id, address6)
  ) STRICT;
  `,
  `
  CREATE TABLE artifact (
    name TEXT PRIMARY KEY,             -- canonical: "quay.io/team/files:1"
    digest TEXT NOT NULL,              -- of its manifest
    manifest TEXT NOT NULL,            -- its bytes
    added_at TEXT NOT NULL             -- RFC 3339
  ) STRICT;
  CREATE TABLE artifact_blob (         -- its manifest, its config and its files: those are needed
    name TEXT NOT NULL REFERENCES artifact(name) ON DELETE CASCADE,
    digest TEXT NOT NULL,
    PRIMARY KEY (name, digest)
  ) STRICT;
  CREATE INDEX artifact_blob_digest ON artifact_blob(digest);
  `,
];

/** Open (creating it when needed) the store's database. Throws store.unwritable, store.full or store.corrupt. */
export function openDatabase(paths: Paths): Database {
  try {
    return connect(paths);
  } catch (error) {
    throw explain(error, paths);
  }
}

function connect(paths: Paths): Database {
  let database: Database;
  try {
    database = new Database(paths.database, { readwrite: true, create: true, strict: true });
  } catch {
    mkdirSync(paths.data, { recursive: true, mode: 0o700 });
    database = new Database(paths.database, { readwrite: true, create: true, strict: true });
  }
  database.run(connectionSettings);
  emptyLog(database, paths);
  const { user_version: version } = database.query("PRAGMA user_version").get() as {
    user_version: number;
  };
  if (version > migrations.length) {
    database.close();
    throw new TspodError(
      "store.corrupt",
      `Cannot use "${paths.database}": it was written by a newer tspod (schema ${version})`,
      { next: "use that version, or another store with TSPOD_ROOT=DIRECTORY" },
    );
  }
  if (version < migrations.length) migrate(database);
  return database;
}

/** When it has grown and nobody else is at it; otherwise the next one will see to it. */
function emptyLog(database: Database, paths: Paths): void {
  const size = statSync(`${paths.database}-wal`, { throwIfNoEntry: false })?.size ?? 0;
  if (size <= logBytesMax) return;
  database.run("PRAGMA busy_timeout = 0");
  try {
    database.run("PRAGMA wal_checkpoint(TRUNCATE)");
  } catch (error) {
    const { code = "" } = error as { code?: string };
    if (!code.startsWith("SQLITE_BUSY")) throw error; // somebody is at it, or reads the log just now
  } finally {
    database.run(`PRAGMA busy_timeout = ${busyTimeoutMs}`);
  }
}

function migrate(database: Database): void {
  switchToLog(database);
  database
    .transaction(() => {
      // read again under the lock: another first start may have been faster
      const { user_version: version } = database.query("PRAGMA user_version").get() as {
        user_version: number;
      };
      for (const sql of migrations.slice(version)) database.run(sql);
      database.run(`PRAGMA user_version = ${migrations.length}`);
    })
    .immediate();
}

/**
 * To the write-ahead log. Of several first starts one does it, and the others are told SQLITE_BUSY at once: each reads the
 * file before it wants to write, and of such SQLite's busy handler is not asked, for two of them would wait for each
 * other. So wait as somebody who only writes, and look again.
 */
function switchToLog(database: Database): void {
  const deadlineMs = performance.now() + busyTimeoutMs;
  for (;;) {
    try {
      database.run("PRAGMA journal_mode = WAL");
      return;
    } catch (error) {
      const { code = "" } = error as { code?: string };
      if (!code.startsWith("SQLITE_BUSY") || performance.now() > deadlineMs) throw error;
    }
    database.transaction(() => undefined).immediate();
  }
}

/**
 * One immediate transaction. `durable` waits for the disk (an image or a kept container must survive a power cut);
 * without it the database stays consistent but the last transactions may be forgotten with the power, unless somebody
 * syncs `logPath` afterwards. What SQLite does itself (PRAGMA synchronous = FULL) is that and, in every process anew, the
 * directory of a log that is there already.
 */
export function transact<T>(database: Database, work: () => T, options: { durable: boolean }): T {
  const result = database.transaction(work).immediate();
  const log = logPath(database);
  if (options.durable && log !== null) {
    const descriptor = openSync(log, "r");
    try {
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
  }
  return result;
}

/** The write-ahead log, in which what has been committed is durable once it is synced. Null: all is in memory. */
export function logPath({ filename }: Database): string | null {
  return filename === "" || filename === ":memory:" ? null : `${filename}-wal`;
}

/** What needs doing once on this machine: whether that was done. */
export function knowsFact(database: Database, fact: string): boolean {
  return database.query("SELECT 1 FROM host_fact WHERE key = ?").get(fact) !== null;
}

/** It was: true when nobody had said so. */
export function rememberFact(database: Database, fact: string): boolean {
  return database.query("INSERT OR IGNORE INTO host_fact VALUES (?, '')").run(fact).changes > 0;
}

/** It is so no longer. */
export function forgetFact(database: Database, fact: string): void {
  database.query("DELETE FROM host_fact WHERE key = ?").run(fact);
}

/** Whether this sentence has never been told to the user of this store. Asking makes it told. */
export function isNews(database: Database, sentence: string): boolean {
  return rememberFact(database, `told: ${sentence}`);
}

const diskErrors =
  /^(SQLITE_(READONLY|FULL|IOERR|CORRUPT|NOTADB|CANTOPEN|BUSY)|ENOSPC|EDQUOT|EROFS|EIO)/;

/**
 * An error that came up while the store was in use: when its disk is the cause, in words a user can act on; any other
 * is given back as it is.
 */
export function explainStoreError(error: unknown, paths: Paths): unknown {
  const { code = "", path = paths.data } = (error ?? {}) as { code?: unknown; path?: string };
  const isOurs = path.startsWith(paths.data) || path.startsWith(paths.runtime);
  return typeof code === "string" && diskErrors.test(code) && isOurs
    ? explain(error, paths)
    : error;
}

/** SQLite and mkdir errors in words a user can act on. */
function explain(error: unknown, paths: Paths): unknown {
  if (error instanceof TspodError) return error;
  const code = (error as { code?: string }).code ?? "";
  // the index of the log is a file whose size SQLite sets: it fails at that where no page is left
  if (/^(SQLITE_FULL|SQLITE_IOERR_SHMSIZE|ENOSPC|EDQUOT)$/.test(code)) {
    return new TspodError("store.full", `Cannot write "${paths.data}": no space left`, {
      next: "free some space there, or set TSPOD_ROOT to a directory with room",
      cause: error,
    });
  }
  if (code === "SQLITE_CORRUPT" || code === "SQLITE_NOTADB") {
    return new TspodError("store.corrupt", `Cannot read "${paths.database}": it is damaged`, {
      next: "move it away; images can be pulled again",
      cause: error,
    });
  }
  if (
    error instanceof SQLiteError ||
    code === "EACCES" ||
    code === "EROFS" ||
    code === "EIO" ||
    code === "ENOENT" ||
    code === "EPERM" ||
    code === "ENOTDIR"
  ) {
    return new TspodError("store.unwritable", `Cannot write to "${paths.data}" (${code})`, {
      next: "make it writable, or set TSPOD_ROOT to a directory that is",
      cause: error,
    });
  }
  return error;
}
