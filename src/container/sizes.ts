/** How much of the disk a container has for itself. Loaded only when somebody asks: every file of it is looked at. */
import { diskUsage } from "../helper/index.ts";
import { containerDirectory } from "../store/containers.ts";
import type { ContainerContext } from "./context.ts";
import type { Container, Store } from "./find.ts";

export interface ContainerSize {
  /** What it has written or changed: bytes of files, each counted once. */
  writableBytes: number;
  /** With its image. */
  virtualBytes: number;
}

/** `helper` and `mapping` are asked for only where directories of other users of the container are closed to the caller. */
export function containerSize(
  context: Store & Partial<Pick<ContainerContext, "helper" | "mapping">>,
  { id, imageId }: Container,
): ContainerSize {
  const writableBytes = diskUsage(context, `${containerDirectory(context.paths, id)}/upper`);
  const sql = "SELECT size_bytes AS bytes FROM image WHERE id = ?";
  const image = context.database.query<{ bytes: number }, [string]>(sql).get(imageId);
  return { writableBytes, virtualBytes: writableBytes + (image?.bytes ?? 0) };
}
