/**
 * Reads a small file of an image straight from its layers, without mounting them. A link anywhere on the way is not
 * followed: it would lead into the host.
 */
import { lstatSync, readFileSync } from "node:fs";
import { layerTree } from "../store/layers.ts";
import type { Paths } from "../store/paths.ts";

/** No account file has more. */
const fileBytesMax = 1024 * 1024;

/** The text, "" when the image has no such plain file, or one that we may not read. `path` is relative. */
export function readImageFile(paths: Paths, layers: readonly string[], path: string): string {
  for (const chain of layers) {
    const found = look(layerTree(paths, chain), path);
    if (found === "below") continue;
    return found === null ? "" : readText(found);
  }
  return "";
}

/** The file in this layer; null: it hides what is below; "below": it says nothing about it. */
function look(tree: string, path: string): string | null | "below" {
  const names = path.split("/");
  let place = tree;
  for (const [depth, name] of names.entries()) {
    place = `${place}/${name}`;
    const stat = lstatSync(place, { throwIfNoEntry: false });
    if (stat === undefined) return "below";
    const isLast = depth === names.length - 1;
    if (isLast ? !stat.isFile() || stat.size > fileBytesMax : !stat.isDirectory()) return null;
  }
  return place;
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // root's alone, in the image's own words
  }
}
