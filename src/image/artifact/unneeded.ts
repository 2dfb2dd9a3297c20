/** Blobs of an artifact that has changed: away with those that nothing names any more. */
import { transact } from "../../store/database.ts";
import { claimStrayBlobs, type Orphans } from "../../store/image-writes.ts";
import type { ImageContext } from "../context.ts";
import { removeFiles } from "../remove.ts";

export async function removeUnneeded(
  context: ImageContext,
  hexes: readonly string[],
): Promise<void> {
  if (hexes.length === 0) return;
  const claim = (): Orphans => claimStrayBlobs(context.database, hexes, { isRemoval: true });
  removeFiles(context, transact(context.database, claim, { durable: false }));
}
