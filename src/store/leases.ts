/**
 * Leases: who is making or using a piece of content right now. A row names a process so precisely (pid, start time,
 * boot) that a dead owner is always noticed. Whoever changes content holds one while at it, so the rows of dead owners
 * are also the journal recovery works from.
 */
import type { Database } from "bun:sqlite";
import { isAlive, ownIdentity } from "../lib/process-identity.ts";
import { transact } from "./database.ts";

/**
 * "make:blob:<hex>", "make:layer:<chain>": one owner. "keep:layer:<chain>", "keep:blob:<hex>": any number.
 * "keep:ids:<offset>+<size>": subordinate ids of a container that is being made. "keep:volume:<name>": one that it is to
 * have. "make:container:<id>": whoever starts or removes it. "keep:index:names": who changes names of images.
 * "keep:ingest:<name>": who has files there that no lease of a blob is about. "keep:mount:<image>:<chain>": a session in
 * which the image is mounted, beside "keep:layer". "keep:root:<container>": a session in which its root is mounted.
 * "keep:pause:<container>": who has paused it for a moment.
 * "stray:blob:<hex>", "stray:layer:<chain>": nobody's, see leaveStray().
 */
export type Resource =
  | `${"make" | "keep"}:${"blob" | "layer"}:${string}`
  | `keep:${"ids" | "volume" | "index" | "ingest" | "mount" | "root" | "pause"}:${string}`
  | `make:container:${string}`
  | `stray:${"blob" | "layer"}:${string}`;

/** Ends with `using`, with `release`, or with the process. */
export interface Lease extends Disposable {
  readonly resource: Resource;
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

/** The same in the name of another process, for as long as that lives. Call it inside the transaction that saw it exist. */
export function keepLeaseFor(database: Database, owner: string, resource: Resource): void {
  const sql = "INSERT INTO lease (owner, resource) VALUES (?, ?)";
  database.query(sql).run(owner, resource);
}

/** One of each that were kept so. Call it inside a transaction. */
export function dropLeasesOf(
  database: Database,
  owner: string,
  resources: readonly Resource[],
): void {
  const drop = database.query(
    "DELETE FROM lease WHERE id = (SELECT min(id) FROM lease WHERE owner = ? AND resource = ?)",
  );
  for (const resource of resources) drop.run(owner, resource);
}

/** What that process keeps, of what begins so: the rest of each. */
export function leasesOf(database: Database, owner: string, prefix: `${string}:`): string[] {
  return database
    .query<{ resource: string }, [string, string]>(
      "SELECT resource FROM lease WHERE owner = ? AND resource GLOB ? || '*'",
    )
    .all(owner, prefix)
    .map(({ resource }) => resource.slice(prefix.length));
}

/** Whether a living process has a lease on it. */
export function hasLivingOwner(database: Database, resource: Resource): boolean {
  const rows = database
    .query<{ id: number; owner: string }, [string]>(
      "SELECT id, owner FROM lease WHERE resource = ?",
    )
    .all(resource);
  return rows.some(({ id, owner }) => !unwritten.has(id) && isAlive(owner));
}

/** The resources of living processes that begin so. */
export function listLivingLeases(database: Database, prefix: string): string[] {
  const rows = database
    .query<{ owner: string; resource: string }, [string]>(
      "SELECT owner, resource FROM lease WHERE resource GLOB ? || '*'",
    )
    .all(prefix);
  return rows.filter(({ owner }) => isAlive(owner)).map(({ resource }) => resource);
}

/** What nothing names any more, but somebody was using when it was removed: a note for recovery, which removes it later. */
export function leaveStray(database: Database, kind: "blob" | "layer", name: string): void {
  if (!isNotedStray(database, kind, name)) keepLeaseFor(database, "", `stray:${kind}:${name}`);
}

/** Whether recovery will see to it. */
export function isNotedStray(database: Database, kind: "blob" | "layer", name: string): boolean {
  const resource: Resource = `stray:${kind}:${name}`;
  return database.query("SELECT 1 FROM lease WHERE resource = ?").get(resource) !== null;
}

/** Whether there is anything that a killed process may have left half-done. */
export function hasLeases(database: Database): boolean {
  return database.query("SELECT 1 FROM lease LIMIT 1").get() !== null;
}

/** Of those that containers' recovery sees to, not that of images. */
export const pausePrefix = "keep:pause:";

/** A row of a dead process. */
export interface DeadLease {
  readonly id: number;
  readonly owner: string;
  readonly resource: string;
}

/** Each says that something may have been left half-done. A stray that is still in use can wait. */
export function listDeadLeases(database: Database): DeadLease[] {
  const rows = database.query<DeadLease, []>("SELECT id, owner, resource FROM lease").all();
  return rows.filter(({ owner, resource }) => {
    if (isAlive(owner)) return false;
    const stray = /^stray:((?:blob|layer):.+)$/.exec(resource)?.[1] as `blob:${string}` | undefined; // or of a layer
    return stray === undefined || !hasLivingOwner(database, `keep:${stray}`);
  });
}

/** What these rows are about, of those that begin with `prefix`: the rest of each. */
export function deadResources(dead: readonly DeadLease[], prefix: `${string}:`): string[] {
  return dead
    .filter(({ resource }) => resource.startsWith(prefix))
    .map(({ resource }) => resource.slice(prefix.length));
}

/** What they left has been seen to. Another may have done so before us: then a living process has the id of a row by now. */
export function dropLeases(database: Database, dead: readonly DeadLease[]): void {
  const drop = database.query("DELETE FROM lease WHERE id = ? AND owner = ? AND resource = ?");
  const work = (): void => dead.forEach(({ id, owner, resource }) => drop.run(id, owner, resource));
  transact(database, work, { durable: false });
}

function insert(database: Database, resource: Resource): number {
  const { lastInsertRowid } = database
    .query("INSERT INTO lease (owner, resource) VALUES (?, ?)")
    .run(ownIdentity(), resource);
  return Number(lastInsertRowid);
}

/** Rows of ours whose leases have ended, on a disk that had no room to say so. */
const unwritten = new Set<number>();

function lease(database: Database, resource: Resource, id: number): Lease {
  const release = (): void => {
    try {
      database.query("DELETE FROM lease WHERE id = ?").run(id);
    } catch (error) {
      // the row ends with this process; why the work failed is what its user is to read
      if (!/^SQLITE_(FULL|IOERR)/.test((error as { code?: string }).code ?? "")) throw error;
      unwritten.add(id);
    }
  };
  return { resource, [Symbol.dispose]: release };
}
