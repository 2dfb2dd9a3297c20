/** Taking names away, and what no name needs any more. */
import { TspodError } from "../errors.ts";
import type { Digest } from "../oci/index.ts";
import type { ImageContext } from "./context.ts";

export interface RemoveOptions {
  /** Take all its names, even while containers stand on it: those keep its layers until they are gone. */
  force?: boolean;
}

export interface RemovedImage {
  /** Canonical names that are gone. */
  untagged: string[];
  /** The image's id when it is gone too. */
  deleted: Digest | undefined;
}

export async function removeImage(
  context: ImageContext,
  text: string,
  options: RemoveOptions = {},
): Promise<RemovedImage> {
  void [context, options];
  throw new TspodError("internal", `Cannot remove "${text}": not built yet`);
}
