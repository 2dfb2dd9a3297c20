/**
 * Who may start or remove a container: one command at a time. Whoever runs a new one has that right by having made it,
 * until it runs; anybody else takes a lease, which ends with its process. Without either, one command could delete the
 * files that another one's monitor is just about to live in.
 */
import type { Database } from "bun:sqlite";
import { TspodError } from "../errors.ts";
import { isAlive, ownIdentity } from "../lib/process-identity.ts";
import type { ContainerRecord } from "../store/containers.ts";
import { hasLivingOwner, type Lease, tryLease } from "../store/leases.ts";
import { type Container, findContainer, type Store } from "./find.ts";

/** Longer than a start takes that copies a whole root file system. */
const patienceMs = 60_000;
const pauseMs = 10;

type Named = Pick<ContainerRecord, "id" | "name" | "creator">;

/**
 * The right to start or remove it, once whoever is at it has done with it. Not `patient`: that is container.running. A root
 * that a session has mounted is container.mounted, unless that is no matter (`passesMounts`). Null: it is gone. What the
 * container is now is to be looked at under the lease.
 */
export async function claimContainer(
  context: Store,
  record: Named,
  { patient, passesMounts }: { patient: boolean; passesMounts?: boolean },
): Promise<Lease | null> {
  const deadline = performance.now() + patienceMs;
  for (;;) {
    const found = findContainer(context, record.id);
    if (found === null) return null;
    const lease = isBeingRun(found) ? undefined : take(context.database, record.id);
    if (lease !== undefined) {
      if (passesMounts === true || !isMounted(context.database, record.id)) return lease;
      lease[Symbol.dispose]();
      throw mounted(record);
    }
    if (!patient || performance.now() > deadline) throw beingStarted(record);
    await Bun.sleep(pauseMs); // for another command, which takes milliseconds
  }
}

/** Between create and start of a `run`. */
function isBeingRun({ state, creator }: Container): boolean {
  return state.status === "created" && creator !== ownIdentity() && isAlive(creator);
}

function take(database: Database, id: string): Lease | undefined {
  return tryLease(database, `make:container:${id}`);
}

/** In a session of `tspod unshare` (mount.ts). */
function isMounted(database: Database, id: string): boolean {
  return hasLivingOwner(database, `keep:root:${id}`);
}

function mounted({ name }: Named): TspodError {
  return new TspodError(
    "container.mounted",
    `The root of container "${name}" is mounted by a session`,
    {
      next: `tspod unmount ${name} there, or end that session (tspod rm -f does not wait for it)`,
    },
  );
}

function beingStarted({ name }: Named): TspodError {
  return new TspodError(
    "container.running",
    `Container "${name}" is being started or removed by another command`,
    { next: "try again in a moment" },
  );
}
