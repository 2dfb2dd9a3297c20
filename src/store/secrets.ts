/** Rows of secrets: bytes with a name, in the database alone, which only its owner may read. */
import type { Database } from "bun:sqlite";

export interface SecretRecord {
  /** 25 hex characters, as podman's. */
  id: string;
  name: string;
  labels: Record<string, string>;
  /** RFC 3339. */
  createdAt: string;
  updatedAt: string;
}

interface Row {
  id: string;
  name: string;
  labels: string;
  created_at: string;
  updated_at: string;
}

const columns = "id, name, labels, created_at, updated_at";

function fromRow(row: Row): SecretRecord {
  return {
    id: row.id,
    name: row.name,
    labels: JSON.parse(row.labels) as Record<string, string>, // we wrote it
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}

export function listSecretRecords(database: Database): SecretRecord[] {
  return database.query<Row, []>(`SELECT ${columns} FROM secret ORDER BY name`).all().map(fromRow);
}

/** By exact name or id, or by the beginning of an id: none, one, or more when it is ambiguous. */
export function findSecretRecords(database: Database, wanted: string): SecretRecord[] {
  const exact = `SELECT ${columns} FROM secret WHERE name = ?1 OR id = ?1`;
  const row = database.query<Row, [string]>(exact).get(wanted);
  if (row !== null) return [fromRow(row)];
  if (!/^[0-9a-f]+$/.test(wanted)) return [];
  const byPrefix = `SELECT ${columns} FROM secret WHERE id GLOB ?1 || '*' LIMIT 2`;
  return database.query<Row, [string]>(byPrefix).all(wanted).map(fromRow);
}

/** Throws SQLiteError SQLITE_CONSTRAINT_UNIQUE when the name is taken. */
export function insertSecret(database: Database, record: SecretRecord, data: Uint8Array): void {
  database
    .query("INSERT INTO secret VALUES (?, ?, ?, ?, ?, ?)")
    .run(
      record.id,
      record.name,
      JSON.stringify(record.labels),
      record.createdAt,
      record.updatedAt,
      data,
    );
}

/** Null: it is gone. */
export function readSecret(database: Database, id: string): Uint8Array | null {
  const row = database
    .query<{ data: Uint8Array }, [string]>("SELECT data FROM secret WHERE id = ?")
    .get(id);
  return row?.data ?? null;
}

export function deleteSecret(database: Database, id: string): boolean {
  return database.query("DELETE FROM secret WHERE id = ?").run(id).changes > 0;
}
