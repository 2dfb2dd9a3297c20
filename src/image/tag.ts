/** Names given and taken: `tag` and `untag`. The image itself stays as it is. */
import { TspodError } from "../errors.ts";
import type { Digest } from "../oci/index.ts";
import { recordEvent } from "../store/events.ts";
import { deleteName, insertName } from "../store/image-writes.ts";
import { changeNames } from "../store/index-file.ts";
import { type ImageRecord, listImageRecords } from "../store/images.ts";
import type { ImageContext } from "./context.ts";
import { getImage, listsImages } from "./find.ts";
import { localName } from "./make-image.ts";
import { namesMeant } from "./remove.ts";

/**
 * One more name for each of `targets`; one that another image has moves. All or none.
 * Errors: reference.invalid, image.not_found.
 */
export function tagImage(
  context: ImageContext,
  source: string,
  targets: readonly string[],
): { id: Digest; names: string[] } {
  const names = [...new Set(targets.map(localName))]; // what is wrong with one is said first
  const id = changeNames(context.database, () => {
    const image = getImage(context, source);
    for (const reference of names)
      insertName(context.database, image.id, { reference, digest: "" });
    return image.id;
  });
  for (const name of names) recordEvent(context, { type: "image", status: "tag", id, name });
  return { id, names };
}

/**
 * Take these names of the image away, or all it has; the image stays, with no name perhaps. All or none. Gives those that
 * are gone. Errors: image.not_found, also of a name that is another image's; reference.invalid.
 */
export function untagImage(
  context: ImageContext,
  source: string,
  targets: readonly string[],
): string[] {
  const { id, names } = changeNames(context.database, () => {
    const { id } = getImage(context, source, { next: listsImages });
    const [image] = listImageRecords(context.database, id);
    if (image === undefined) throw new RangeError(`image ${id} was just found`);
    const all = image.names.map(({ reference }) => reference);
    const doomed = targets.length === 0 ? all : targets.flatMap((name) => ownName(image, name));
    for (const name of doomed) deleteName(context.database, name);
    return { id, names: [...new Set(doomed)] };
  });
  for (const name of names) recordEvent(context, { type: "image", status: "untag", id, name });
  return names;
}

function ownName(image: ImageRecord, text: string): string[] {
  const meant = namesMeant(image, text) ?? [];
  if (meant.length > 0) return meant;
  const known = image.names.map(({ reference }) => reference);
  throw new TspodError("image.not_found", `Cannot untag "${text}": it is no name of this image`, {
    next: known.length === 0 ? "it has none" : `its names are ${known.join(", ")}`,
  });
}
