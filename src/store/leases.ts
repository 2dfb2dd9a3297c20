/**
 * Leases: who is making or using a piece of content right now. A row names a process so precisely (pid, start time,
 * boot) that a dead owner is always noticed; nothing has to be cleaned up after a crash.
 */
import type { Database } from "bun:sqlite";
import { isAlive, ownIdentity } from "../lib/process-identity.ts";
import { transact } from "./database.ts";

/** "make:blob:<hex>", "make:layer:<chain>": one owner. "keep:layer:<chain>", "keep:blob:<hex>": any number. */
export type Resource = `${"make" | "keep"}:${"blob" | "layer"}:${string}`;

/** Ends with `using`, with `release`, or with the process. */
export interface Lease extends Disposable {
  readonly resource: Resource;
}

interface Row {
  id: number;
  owner: string;
}

/** Take `resource` unless a living process has it. */
export function tryLease(database: Database, resource: Resource): Lease | undefined {
  return transact(database, () => tryLeaseInside(database, resource), { durable: false });
}

/** Same, inside a transaction of the caller's. */
export function tryLeaseInside(database: Database, resource: Resource): Lease | undefined {
  if (hasLivingOwner(database, resource)) return undefined;
  return lease(database, resource, insert(database, resource));
}

/** Protect `resource` from removal, beside others who do. Call it inside the transaction that saw it exist. */
export function keepLease(database: Database, resource: Resource): Lease {
  return lease(database, resource, insert(database, resource));
}

/** Whether a living process has a lease on it; rows of dead ones are dropped. Call it inside a transaction. */
export function hasLivingOwner(database: Database, resource: Resource): boolean {
  const rows = database
    .query<Row, [string]>("SELECT * FROM lease WHERE resource = ?")
    .all(resource);
  const dead = rows.filter(({ owner }) => !isAlive(owner));
  for (const { id } of dead) database.query("DELETE FROM lease WHERE id = ?").run(id);
  return rows.length > dead.length;
}

/** Drop what dead processes left. Bounded by the number of rows. */
export function dropDeadLeases(database: Database): void {
  const rows = database.query<Row, []>("SELECT * FROM lease").all();
  for (const { id, owner } of rows) {
    if (!isAlive(owner)) database.query("DELETE FROM lease WHERE id = ?").run(id);
  }
}

function insert(database: Database, resource: Resource): number {
  const { lastInsertRowid } = database
    .query("INSERT INTO lease (owner, resource) VALUES (?, ?)")
    .run(ownIdentity(), resource);
  return Number(lastInsertRowid);
}

function lease(database: Database, resource: Resource, id: number): Lease {
  const release = (): void => {
    database.query("DELETE FROM lease WHERE id = ?").run(id);
  };
  return { resource, [Symbol.dispose]: release };
}
