/** `--filter` of images, as docker and podman have it. */
import { TspodError } from "../errors.ts";
import { type FilterKeys, invalidValue, labelFilter, parseFilters } from "../lib/filters.ts";
import { parseInstant } from "../lib/instant.ts";
import {
  familiarName,
  familiarReference,
  formatReference,
  parseReference,
  repositoryName,
} from "../oci/index.ts";
import { containersOfImage } from "../store/image-writes.ts";
import type { ImageName, ImageRecord } from "../store/images.ts";
import type { ImageContext } from "./context.ts";
import { inspectImage, listsImages } from "./find.ts";

/** A line of `tspod images`: an image by one of its names, or by none. */
export interface NamedImage {
  readonly image: ImageRecord;
  readonly name: ImageName | undefined;
}

/** An image without a name is one line too. */
export function namedImages(image: ImageRecord): NamedImage[] {
  return image.names.length === 0
    ? [{ image, name: undefined }]
    : image.names.map((name) => ({ image, name }));
}

/** True of the lines that `texts` let through. Errors: usage, image.not_found (before, since). */
export function imageFilter(
  context: ImageContext,
  texts: readonly string[],
  nowMs: number,
): (line: NamedImage) => boolean {
  return parseFilters<NamedImage>(texts, keysOf(context, nowMs));
}

function keysOf(context: ImageContext, nowMs: number): FilterKeys<NamedImage> {
  const createdMs = ({ image }: NamedImage): number => Date.parse(image.createdAt);
  const other = (text: string): ImageRecord => inspectImage(context, text, { next: listsImages });
  const isAfter = (text: string) => {
    const { id, createdAt } = other(text);
    return (line: NamedImage) => line.image.id !== id && createdMs(line) > Date.parse(createdAt);
  };
  const boolean = (name: string, of: (line: NamedImage) => boolean) => ({
    parse: (value: string) => {
      const wanted = parseBoolean(name, value);
      return (line: NamedImage) => of(line) === wanted;
    },
  });
  return {
    dangling: boolean("dangling", ({ name }) => name === undefined),
    label: labelFilter(({ image }) => image.labels),
    reference: { parse: referenceMatcher },
    before: {
      parse: (text) => {
        const { id, createdAt } = other(text);
        return (line) => line.image.id !== id && createdMs(line) < Date.parse(createdAt);
      },
    },
    since: { parse: isAfter },
    after: { parse: isAfter },
    until: {
      parse: (text) => {
        const atMs = parseInstant(text, "filter until", nowMs);
        return (line) => !(createdMs(line) >= atMs);
      },
    },
    id: {
      parse: (text) => {
        const hex = text.replace(/^sha256:/, "");
        return ({ image }) => image.id.startsWith(`sha256:${hex}`);
      },
    },
    digest: {
      parse: (text) => {
        const isWanted = (digest: string): boolean => digest !== "" && digest.startsWith(text);
        return ({ image, name }) => isWanted(image.manifestDigest) || isWanted(name?.digest ?? "");
      },
    },
    containers: boolean(
      "containers",
      ({ image }) => containersOfImage(context.database, image.id).length > 0,
    ),
    // none of ours is: they are for scripts that were written for others
    readonly: boolean("readonly", () => false),
    intermediate: boolean("intermediate", () => false),
    manifest: boolean("manifest", () => false),
  };
}

function parseBoolean(name: string, text: string): boolean {
  if (/^(1|t|true)$/i.test(text)) return true;
  if (/^(0|f|false)$/i.test(text)) return false;
  throw invalidValue(name, text, "use true or false");
}

/**
 * "alpine", "alpine:3*", "localhost/*", "docker.io/library/alpine": a glob of Go's path.Match over the name with or
 * without its tag, as the user or as the registry writes it.
 */
export function referenceMatcher(glob: string): (line: NamedImage) => boolean {
  const pattern = compileGlob(glob);
  return ({ name }) => {
    if (name === undefined) return false;
    const reference = parseReference(name.reference);
    const spellings = [
      ...[familiarReference(reference), familiarName(reference)],
      ...[formatReference(reference), repositoryName(reference)],
    ];
    // what was made here is found by what it was called
    const local = spellings.map((spelling) => spelling.replace(/^localhost\//, ""));
    const withDigest = name.digest === "" ? [] : [`${familiarName(reference)}@${name.digest}`];
    return [...spellings, ...local, ...withDigest].some((spelling) => pattern.test(spelling));
  };
}

/** path.Match of Go: "*" and "?" stop at "/", "[a-c]" and "[^a]" are sets, "\" takes what follows as it is. */
function compileGlob(glob: string): RegExp {
  let source = "";
  for (const [part] of glob.matchAll(/\[\^?(?:\\.|[^\]\\])+\]|\\.|./gsu)) {
    if (part === "*") source += source.endsWith("[^/]*") ? "" : "[^/]*";
    else if (part === "?") source += "[^/]";
    else if (part.startsWith("[") && part.length > 1) source += setOf(part);
    else if (part === "[" || part === "\\") throw badGlob(glob);
    else source += escape(part.length > 1 && part.startsWith("\\") ? part.slice(1) : part);
  }
  try {
    return new RegExp(`^${source}$`, "su");
  } catch (cause) {
    throw badGlob(glob, cause); // [z-a]
  }
}

const escape = (text: string): string => text.replace(/[$()*+./?[\\\]^{|}]/g, "\\$&");

function setOf(part: string): string {
  const isNegated = part.startsWith("[^");
  const inner = part.slice(isNegated ? 2 : 1, -1).replace(/[[&~|(){}/]/g, "\\$&");
  return `[${isNegated ? "^" : ""}${inner}]`;
}

function badGlob(glob: string, cause?: unknown): TspodError {
  return new TspodError("usage", `Invalid pattern "${glob}" for names of images`, {
    next: "use * and ? for any characters but /, and [a-z] for one of several",
    cause,
  });
}
