/** Taking names away, and what no name needs any more. */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { TspodError } from "../errors.ts";
import { removeTreesLater } from "../helper/index.ts";
import {
  type Digest,
  familiarReference,
  parseReference,
  type Reference,
  repositoryName,
} from "../oci/index.ts";
import { recordEvent } from "../store/events.ts";
import {
  containersOfImage,
  deleteImageRows,
  deleteName,
  type Orphans,
} from "../store/image-writes.ts";
import { moveAway } from "../lib/atomic-file.ts";
import { changeNames } from "../store/index-file.ts";
import { type ImageRecord, listImageRecords } from "../store/images.ts";
import { layerPath, lightTrees, trashName } from "../store/layers.ts";
import type { ImageContext } from "./context.ts";
import { candidates, getImage, listsImages } from "./find.ts";

export interface RemoveOptions {
  /** Take all its names, even while containers stand on it: those keep its layers until they are gone. */
  force?: boolean;
  /** An id with several names is no question. */
  allNames?: boolean;
}

export interface RemovedImage {
  /** Canonical names that are gone. */
  untagged: string[];
  /** The image's id when it is gone too. */
  deleted: Digest | undefined;
}

/**
 * Remove a name; with the last one, the image. An id stands for all names.
 * Throws image.not_found, and image.in_use naming the container, or the names when an id has several.
 */
export async function removeImage(
  context: ImageContext,
  text: string,
  { force = false, allNames = force }: RemoveOptions = {},
): Promise<RemovedImage> {
  const { database } = context;
  const work = (): { id: Digest; removed: RemovedImage; orphans: Orphans | undefined } => {
    const { id } = getImage(context, text, { next: listsImages });
    const [image] = listImageRecords(database, id);
    if (image === undefined) throw new RangeError(`image ${id} was just found`);
    const named = namesMeant(image, text);
    const doomed = named ?? image.names.map(({ reference }) => reference);
    const isWhole = doomed.length === image.names.length;
    if (isWhole) refuseInUse(context, image, { text, force });
    if (named === undefined && doomed.length > 1 && !allNames) throw severalNames(doomed, text);
    for (const name of doomed) deleteName(database, name);
    const isKept = !isWhole || containersOfImage(database, id).length > 0;
    const orphans = isKept ? undefined : deleteImageRows(database, id);
    return { id, removed: { untagged: doomed, deleted: isKept ? undefined : id }, orphans };
  };
  // the row is gone for good before its files go
  const { id, removed, orphans } = changeNames(database, work);
  for (const name of removed.untagged)
    recordEvent(context, { type: "image", status: "untag", id, name });
  const [name = ""] = removed.untagged;
  if (removed.deleted !== undefined)
    recordEvent(context, { type: "image", status: "remove", id, name });
  if (orphans !== undefined) removeFiles(context, orphans);
  return removed;
}

/** The canonical names a word takes away: one, or those a digest stands for; undefined: it is an id. */
export function namesMeant({ names }: ImageRecord, text: string): string[] | undefined {
  const all = names.map(({ reference }) => reference);
  let reference: Reference;
  try {
    reference = parseReference(text);
  } catch {
    return undefined; // "sha256:..."
  }
  const { digest } = reference;
  if (digest !== undefined) {
    const repository = repositoryName(reference);
    return all.filter((name) => repositoryName(parseReference(name)) === repository);
  }
  const named = candidates(text, reference).find((name) => all.includes(name));
  return named === undefined ? undefined : [named];
}

function refuseInUse(
  { database }: ImageContext,
  { id, names }: ImageRecord,
  { text, force }: { text: string; force: boolean },
): void {
  const containers = containersOfImage(database, id).map(({ name }) => name);
  if (containers.length === 0 || (force && names.length > 0)) return;
  const shown = containers.slice(0, containersShownMax);
  const more = containers.length - shown.length;
  const who = shown.map((name) => `"${name}"`).join(", ") + (more > 0 ? ` and ${more} more` : "");
  const verb = containers.length === 1 ? "stands" : "stand";
  throw new TspodError(
    "image.in_use",
    `Cannot remove image "${text}": container${containers.length === 1 ? "" : "s"} ${who} ${verb} on it`,
    { next: `tspod rm ${shown.join(" ")}` },
  );
}

const containersShownMax = 8;

function severalNames(names: readonly string[], text: string): TspodError {
  const known = names.map((name) => familiarReference(parseReference(name)));
  return new TspodError(
    "image.in_use",
    `Cannot remove image "${text}": it has several names: ${known.join(", ")}`,
    { next: `tspod rmi ${known.join(" ")}, or tspod rmi -f ${text}` },
  );
}

/**
 * Nobody waits for the disk: large trees are only put into the trash, which a process of its own empties. A kill in here
 * leaves files without rows, which recovery finds by the leases.
 */
export function removeFiles(context: ImageContext, orphans: Orphans): void {
  const { paths, helper: command, mapping } = context;
  const doomed: string[] = [];
  mkdirSync(paths.trash, { recursive: true, mode: 0o700 });
  {
    using claimed = orphans;
    for (const chainId of claimed.layers) {
      const trash = trashName(paths, chainId);
      if (moveAway(layerPath(paths, chainId), trash)) doomed.push(trash);
      const mapped = trashName(paths, chainId);
      if (moveAway(lightTrees(paths, chainId), mapped)) doomed.push(mapped);
    }
    for (const hex of claimed.blobs) {
      const [blob, trash] = [join(paths.blobs, hex), trashName(paths, hex)];
      try {
        if (moveAway(blob, trash)) doomed.push(trash);
      } catch {
        rmSync(blob, { force: true }); // a full disk has no room for its name in the trash
      }
    }
  }
  removeTreesLater({ command, mapping }, doomed);
}
