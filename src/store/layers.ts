/**
 * Unpacked layers: `layers/<chain id>/diff` is the tree, a row says it is whole. Beside it lie trees of the same layer
 * with other owners, for containers that map ids otherwise, each with a row of its own. Light ones, which show all layers
 * up to this one and have their content in those, lie elsewhere: overlayfs takes no two layers one of which is in the
 * other.
 * A directory without a row is what a crash left, and counts as nothing.
 */
import type { Database } from "bun:sqlite";
import { existsSync, mkdirSync, renameSync } from "node:fs";
import { dirname, join } from "node:path";
import { syncDirectory } from "../lib/atomic-file.ts";
import type { Digest } from "../oci/index.ts";
import { transact } from "./database.ts";
import type { Paths } from "./paths.ts";

/** Directories being filled: a name no chain id has. */
export const stagePrefix = ".tmp-";

export function layerPath(paths: Paths, chainId: string): string {
  return join(paths.layers, chainId);
}

/** What overlayfs gets as a lower directory. `owners`: the key of those that are not the usual ones. */
export function layerTree(paths: Paths, chainId: string, owners = ""): string {
  return join(
    owners === "" ? layerPath(paths, chainId) : mappedPath(paths, chainId, owners),
    "diff",
  );
}

/**
 * Ends the key of owners whose trees are light: they take next to no room. Each file says by its own path in the image
 * where its content is ("-light" alone was a tree whose files named the layer, too).
 */
export const lightSuffix = "-by-path-light";

function mappedPath(paths: Paths, chainId: string, owners: string): string {
  return join(owners.endsWith(lightSuffix) ? paths.mapped : paths.layers, chainId, owners);
}

/** All of its light trees. */
export function lightTrees(paths: Paths, chainId: string): string {
  return join(paths.mapped, chainId);
}

export function hasLayer(database: Database, chainId: string, owners?: string): boolean {
  const row =
    owners === undefined
      ? database.query("SELECT 1 FROM layer WHERE chain_id = ?").get(chainId)
      : database
          .query("SELECT 1 FROM mapped_layer WHERE chain_id = ? AND owners = ?")
          .get(chainId, owners);
  return row !== null;
}

/** Bytes of file content of each, by chain id. */
export function layerSizes(database: Database): Map<string, number> {
  const rows = database
    .query<{ chain: string; bytes: number }, []>(
      "SELECT chain_id AS chain, size_bytes AS bytes FROM layer",
    )
    .all();
  return new Map(rows.map(({ chain, bytes }) => [chain, bytes]));
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
  // a row may be there already: of a directory that somebody has removed, and that is made again
  const insert = `INSERT INTO layer (chain_id, diff_id, size_bytes, is_opaque) VALUES (?, ?, ?, ?)
    ON CONFLICT (chain_id) DO UPDATE SET size_bytes = excluded.size_bytes, is_opaque = excluded.is_opaque`;
  transact(
    database,
    () => database.query(insert).run(chainId, diffId, sizeBytes, isOpaque ? 1 : 0),
    {
      durable: false,
    },
  );
}

/** The same for a tree with other owners of a layer that is there. */
export function publishMappedLayer(
  database: Database,
  paths: Paths,
  stage: string,
  chainId: string,
  owners: string,
): void {
  const path = mappedPath(paths, chainId, owners);
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  if (existsSync(path)) renameSync(path, trashName(paths, chainId));
  renameSync(stage, path); // not the tree alone: it is somebody else's, who may not be moved
  syncDirectory(dirname(path));
  const insert = "INSERT INTO mapped_layer (chain_id, owners) VALUES (?, ?)";
  transact(database, () => database.query(insert).run(chainId, owners), { durable: false });
}

/** A name in trash/ nobody else takes. */
export function trashName(paths: Paths, name: string): string {
  return join(paths.trash, `${name}-${process.pid}-${crypto.randomUUID().slice(0, 8)}`);
}
