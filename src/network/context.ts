/** What the functions about networks work with: a part of what the engine has. */
import type { Database } from "bun:sqlite";
import type { Paths } from "../store/paths.ts";

export interface NetworkContext {
  readonly paths: Paths;
  readonly database: Database;
  /** RFC 3339, UTC. */
  now(): string;
}
