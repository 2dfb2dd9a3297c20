/**
 * What an image says of the containers made of it, for who only shows them. Without the parsers of the image formats,
 * which are a third of what `inspect` would load: they have seen the text before it came into the database
 * (src/oci/image-config.ts).
 */
import type { Database } from "bun:sqlite";

export interface ImageSayings {
  /** What a registry calls it, or "". */
  readonly digest: string;
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  /** "80/tcp". */
  readonly exposedPorts: readonly string[];
  readonly volumes: readonly string[];
}

/** Undefined: the image has been removed by force. */
export function findImageSayings(database: Database, id: string): ImageSayings | undefined {
  const row = database
    .query<{ config: string; digest: string | null }, [string]>(
      `SELECT config, (SELECT digest FROM image_name WHERE image_id = id ORDER BY reference LIMIT 1) AS digest
       FROM image WHERE id = ?`,
    )
    .get(id);
  if (row === null) return undefined;
  const { config } = JSON.parse(row.config) as { config?: Execution | null }; // it was parsed before it came there
  return {
    digest: row.digest ?? "",
    entrypoint: config?.Entrypoint ?? [],
    cmd: config?.Cmd ?? [],
    exposedPorts: Object.keys(config?.ExposedPorts ?? {}),
    volumes: Object.keys(config?.Volumes ?? {}),
  };
}

/** image-spec config.md, "config". */
interface Execution {
  Entrypoint?: string[] | null;
  Cmd?: string[] | null;
  ExposedPorts?: Record<string, unknown> | null;
  Volumes?: Record<string, unknown> | null;
}
