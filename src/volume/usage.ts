/** How much a volume holds: bytes of the files in it. */
import { type Dirent, lstatSync, readdirSync } from "node:fs";
import { volumeHome } from "../store/volumes.ts";
import type { VolumeContext } from "./context.ts";

/** A file with more than one name counts once. What we may not look into counts as nothing. */
export function volumeUsage({ paths }: Pick<VolumeContext, "paths">, name: string): number {
  const seen = new Set<string>();
  const pending = [`${volumeHome(paths, name)}/_data`];
  let sizeBytes = 0;
  for (let directory; (directory = pending.pop()) !== undefined;) {
    for (const entry of list(directory)) {
      const path = `${directory}/${entry.name}`;
      const stat = lstatSync(path, { throwIfNoEntry: false });
      if (stat === undefined) continue;
      if (stat.isDirectory()) pending.push(path);
      if (stat.nlink > 1 && !stat.isDirectory()) {
        const key = `${stat.dev}:${stat.ino}`;
        if (seen.has(key)) continue;
        seen.add(key);
      }
      sizeBytes += stat.isFile() ? stat.size : 0;
    }
  }
  return sizeBytes;
}

function list(directory: string): Dirent[] {
  try {
    return readdirSync(directory, { withFileTypes: true });
  } catch {
    return []; // another user's of the container, or gone
  }
}
