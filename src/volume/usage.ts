/** How much a volume holds. Loaded only when somebody asks: every file of it is looked at. */
import { diskUsage } from "../helper/index.ts";
import { volumeDirectory } from "../store/volumes.ts";
import type { VolumeContext } from "./context.ts";

/** Bytes of the files in it. */
export function volumeUsage(
  context: Pick<VolumeContext, "paths" | "helper" | "mapping">,
  name: string,
): number {
  return diskUsage(context, volumeDirectory(context.paths, name));
}
