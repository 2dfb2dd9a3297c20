/**
 * What killed pulls and removals left behind, and volumes of containers that were never made: half-unpacked layers,
 * layers and blobs without a row, dead leases, old beginnings of downloads. Bounded and idempotent; safe beside running
 * pulls, for it takes a lease on what it touches.
 */
import { readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { removeTrees } from "../helper/index.ts";
import { moveAway } from "../lib/atomic-file.ts";
import { processStart } from "../lib/process-identity.ts";
import { transact } from "../store/database.ts";
import {
  deadResources,
  type DeadLease,
  dropLeases,
  hasLivingOwner,
  listDeadLeases,
  pausePrefix,
  tryLeaseInside,
} from "../store/leases.ts";
import { hasLayer, layerPath, stagePrefix, trashName } from "../store/layers.ts";
import {
  claimStrayBlobs,
  claimStrayLayers,
  isBlobUsed,
  isLayerUsed,
  type Orphans,
} from "../store/image-writes.ts";
import { writeIndexFile } from "../store/index-file.ts";
import { listTrash } from "../store/trash.ts";
import { discardUnborn } from "../store/volumes.ts";
import type { ImageContext } from "./context.ts";

/** Leftovers dealt with by one command; the next takes more. */
const leftoversMax = 64;
/** The beginning of a download nobody came back for. */
const ingestAgeMsMax = 7 * 24 * 3600 * 1000;

/** Cheap when nothing is wrong: two directory listings and a query. */
export async function recoverContent(context: ImageContext): Promise<void> {
  const { paths, database, helper: command, mapping, signal } = context;
  const dead = listDeadLeases(database).filter(({ resource }) => !resource.startsWith(pausePrefix));
  let moved = 0;
  const found = [paths.layers, paths.mapped].flatMap((directory) =>
    list(directory).map((name) => ({ directory, name })),
  );
  for (const { directory, name } of found) {
    if (moved === leftoversMax) break;
    const chainId = chainOf(name);
    if (name === chainId && hasLayer(database, chainId)) continue;
    const claim = (): ReturnType<typeof tryLeaseInside> =>
      hasLivingOwner(database, `keep:layer:${chainId}`)
        ? undefined
        : tryLeaseInside(database, `make:layer:${chainId}`);
    using lease = transact(database, claim, { durable: false });
    // somebody may have finished it between the look and the lease
    if (lease === undefined || (name === chainId && hasLayer(database, chainId))) continue;
    if (moveAway(join(directory, name), trashName(paths, chainId))) moved++;
  }
  removeOldDownloads(paths.ingest);
  const waiting = new Set([
    ...removeStrayBlobs(context, dead),
    ...removeStrayLayers(context, dead),
  ]);
  if (deadResources(dead, "keep:index:").length > 0) writeIndexFile(database);
  discardUnborn(database, paths, deadResources(dead, "keep:volume:"));
  const doomed = listTrash(paths);
  // the helper of a killed pull may still be writing there: the leases stay, and the next command tries again
  const isEmptied = await removeTrees(
    { command, mapping, signal },
    doomed.slice(0, 2 * leftoversMax),
  ).then(
    () => true,
    () => false,
  );
  const isAllGone = isEmptied && doomed.length <= leftoversMax;
  const done = dead.filter(({ resource }) => !waiting.has(resource));
  if (isAllGone) dropLeases(database, done);
}

/** ".tmp-<chain id>-<pid>-<time>" and "<chain id>" -> the chain id. */
function chainOf(name: string): string {
  return name.startsWith(stagePrefix) ? name.slice(stagePrefix.length).split("-", 1).join() : name;
}

/**
 * Of a removal that was killed in the middle, or was beside somebody who used them. What a pull has finished stays for the
 * next attempt. Notes of those that somebody has come to use meanwhile.
 */
function removeStrayBlobs({ paths, database }: ImageContext, dead: readonly DeadLease[]): string[] {
  const hexes = new Set(deadResources(dead, "make:blob:"));
  for (const hex of deadResources(dead, "keep:blob:")) hexes.delete(hex);
  const noted = deadResources(dead, "stray:blob:");
  for (const hex of noted) hexes.add(hex);
  const work = (): Orphans => claimStrayBlobs(database, hexes);
  using claimed = transact(database, work, { durable: false });
  for (const hex of claimed.blobs) rmSync(join(paths.blobs, hex), { force: true });
  return noted
    .filter((hex) => !claimed.blobs.includes(hex) && !isBlobUsed(database, `sha256:${hex}`))
    .map((hex) => `stray:blob:${hex}`);
}

/** The same of images that were removed while somebody used them, or a session had them mounted, which has ended. */
function removeStrayLayers(
  { paths, database }: ImageContext,
  dead: readonly DeadLease[],
): string[] {
  const mounted = deadResources(dead, "keep:mount:").map((name) => name.slice(65));
  const noted = deadResources(dead, "stray:layer:");
  const chains = new Set([...mounted, ...noted]);
  if (chains.size === 0) return [];
  const work = (): Orphans => claimStrayLayers(database, chains);
  using claimed = transact(database, work, { durable: false });
  for (const chain of claimed.layers) moveAway(layerPath(paths, chain), trashName(paths, chain));
  return noted
    .filter((chain) => !claimed.layers.includes(chain) && !isLayerUsed(database, chain))
    .map((chain) => `stray:layer:${chain}`);
}

/**
 * "<hex>" is a download, good to be resumed, with "<hex>.ranges"; "<hex>.<pid>" was being written in one go, and so was
 * "<hex>.ranges.<pid>.<count>.tmp" (lib/atomic-file.ts).
 */
function removeOldDownloads(ingest: string): void {
  for (const name of list(ingest)) {
    const path = join(ingest, name);
    const modifiedMs = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Infinity;
    const writer = /\.(\d+)(?:\.\d+\.tmp)?$/.exec(name)?.[1];
    const isAbandoned = writer !== undefined && processStart(Number(writer)) === null;
    if (isAbandoned || Date.now() - modifiedMs > ingestAgeMsMax) rmSync(path, { force: true });
  }
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return []; // not made yet
  }
}
