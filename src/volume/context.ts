/** What the volume functions work with: a part of what the engine has. */
import type { Database } from "bun:sqlite";
import type { LayerMapping } from "../helper/index.ts";
import type { Paths } from "../store/paths.ts";

export interface VolumeContext {
  readonly paths: Paths;
  readonly database: Database;
  /** What precedes a native verb. */
  readonly helper: readonly string[];
  /** The user namespace whose ids own what is in volumes. */
  readonly mapping: LayerMapping;
  readonly signal: AbortSignal;
  /** RFC 3339, UTC. */
  now(): string;
}
