/** Which local image a word of the user's means. Reads the database once; knows no network. */
import { TspodError } from "../errors.ts";
import {
  type Digest,
  formatReference,
  hasRegistry,
  isImageId,
  parseReference,
  type Reference,
} from "../oci/index.ts";
import {
  findImageByDigest,
  findImageById,
  findImageByName,
  listImageRecords,
  type ImageRecord,
  type StoredImage,
} from "../store/images.ts";
import type { ImageContext } from "./context.ts";

type Store = Pick<ImageContext, "database">;

/**
 * An image by name ("alpine", "alpine:3", "alpine@sha256:..."), or by id or the beginning of one.
 * A name without a registry is docker.io's, then localhost's: what was built or carried here.
 */
export function findImage({ database }: Store, text: string): StoredImage | undefined {
  const reference = tryReference(text);
  if (reference !== undefined) {
    const image = hasDigest(reference)
      ? findImageByDigest(database, reference)
      : findImageByName(database, candidates(text, reference));
    if (image !== undefined) return image;
  }
  if (isImageId(text)) return findImageById(database, text.replace(/^sha256:/, ""));
  if (reference === undefined) parseReference(text); // throws: says what is wrong with it
  return undefined;
}

export interface GetOptions {
  /** What to do when it is not there; else it is to be pulled, or to be looked for when no registry can have it. */
  readonly next?: string;
}

/** Of whoever wants an image that is here: to throw it away, or to pass it on. */
export const listsImages = "tspod images lists what is here";

/** Same, but it must exist. Throws image.not_found. */
export function getImage(context: Store, text: string, options: GetOptions = {}): StoredImage {
  const image = findImage(context, text);
  if (image !== undefined) return image;
  const isFetchable = !isImageId(text) && !text.startsWith("localhost/");
  throw new TspodError("image.not_found", `Cannot find image "${text}"`, {
    next: options.next ?? (isFetchable ? `tspod pull ${text}` : listsImages),
  });
}

/** Every image with its names, the newest first. */
export function listImages({ database }: Store): ImageRecord[] {
  return listImageRecords(database);
}

/** All there is to know about one image. Throws image.not_found. */
export function inspectImage(context: Store, text: string, options: GetOptions = {}): ImageRecord {
  const image = getImage(context, text, options);
  const [record] = listImageRecords(context.database, image.id);
  if (record === undefined) {
    throw new TspodError("image.not_found", `Cannot find image "${text}": it was just removed`);
  }
  return record;
}

/** What `tspod run hello` means where no registry was asked. */
export const builtinName = "localhost/hello:latest";

/** The canonical names a word may stand for, the preferred first. */
export function candidates(text: string, reference: Reference): string[] {
  const names = [formatReference(reference)];
  if (!hasRegistry(text)) names.push(formatReference(parseReference(`localhost/${text}`)));
  return names;
}

function hasDigest(reference: Reference): reference is Reference & { digest: Digest } {
  return reference.digest !== undefined;
}

/** Undefined: it can still be an id ("sha256:..."), whatever is wrong with it as a name. */
function tryReference(text: string): Reference | undefined {
  try {
    return parseReference(text);
  } catch {
    return undefined;
  }
}
