/** Named volumes: a row and a directory, `volumes/<name>/_data`. */
import type { Database } from "bun:sqlite";
import { mkdirSync } from "node:fs";
import { TspodError } from "../errors.ts";
import type { Paths } from "./paths.ts";

export const volumeDirectory = (paths: Paths, name: string): string =>
  `${paths.volumes}/${name}/_data`;

/** Docker's rule for names. Throws volume.invalid. */
export function parseVolumeName(text: string): string {
  if (/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}$/.test(text)) return text;
  throw new TspodError("volume.invalid", `Invalid volume name "${text}"`, {
    next: "use letters, digits, '_', '.' and '-', or an absolute path for a directory of the host",
  });
}

/** Make the volume unless it is there: then false. The directory first, then the row. */
export function ensureVolume(
  context: { paths: Paths; database: Database; now(): string },
  name: string,
): boolean {
  const { database, paths } = context;
  if (database.query("SELECT 1 FROM volume WHERE name = ?").get(name) !== null) return false;
  mkdirSync(volumeDirectory(paths, name), { recursive: true, mode: 0o755 });
  database
    .query(
      "INSERT OR IGNORE INTO volume (name, labels, anonymous, created_at) VALUES (?, '{}', 0, ?)",
    )
    .run(name, context.now());
  return true;
}
