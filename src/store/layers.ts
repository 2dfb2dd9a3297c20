/**
 * Unpacked layers: `layers/<chain id>/diff` is the tree, a row says it is whole.
 * A directory without a row is what a crash left, and counts as nothing.
 */
import type { Database } from "bun:sqlite";
import { existsSync, mkdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { syncDirectory } from "../lib/atomic-file.ts";
import type { Digest } from "../oci/index.ts";
import { transact } from "./database.ts";
import type { Paths } from "./paths.ts";

/** Directories being filled: a name no chain id has. */
export const stagePrefix = ".tmp-";

export function layerPath(paths: Paths, chainId: string): string {
  return join(paths.layers, chainId);
}

/** What overlayfs gets as a lower directory. */
export function layerTree(paths: Paths, chainId: string): string {
  return join(paths.layers, chainId, "diff");
}

export function hasLayer(database: Database, chainId: string): boolean {
  return database.query("SELECT 1 FROM layer WHERE chain_id = ?").get(chainId) !== null;
}

/** A fresh directory with an empty `diff` in it; the caller holds "make:layer:<chain id>". */
export function stageLayer(paths: Paths, chainId: string): string {
  const stage = join(paths.layers, `${stagePrefix}${chainId}-${process.pid}-${Date.now()}`);
  mkdirSync(join(stage, "diff"), { recursive: true, mode: 0o755 });
  return stage;
}

export interface NewLayer {
  readonly chainId: string;
  readonly diffId: Digest;
  readonly sizeBytes: number;
  /** It hides all below it, root directory included. */
  readonly isOpaque: boolean;
}

/** Put a filled stage, whose files are on the disk already, where layers live; then say so. */
export function publishLayer(
  database: Database,
  paths: Paths,
  stage: string,
  layer: NewLayer,
): void {
  const path = layerPath(paths, layer.chainId);
  if (existsSync(path)) renameSync(path, trashName(paths, layer.chainId));
  renameSync(stage, path);
  syncDirectory(paths.layers);
  const { chainId, diffId, sizeBytes, isOpaque } = layer;
  const insert = "INSERT INTO layer (chain_id, diff_id, size_bytes, is_opaque) VALUES (?, ?, ?, ?)";
  transact(
    database,
    () => database.query(insert).run(chainId, diffId, sizeBytes, isOpaque ? 1 : 0),
    {
      durable: false,
    },
  );
}

/** A name in trash/ nobody else takes. */
export function trashName(paths: Paths, name: string): string {
  return join(paths.trash, `${name}-${process.pid}-${crypto.randomUUID().slice(0, 8)}`);
}
