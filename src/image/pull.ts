/** From a name to an image in the store. */
import { TspodError } from "../errors.ts";
import type { StoredImage } from "../store/images.ts";
import type { ImageContext } from "./context.ts";

export interface PullOptions {
  /** "linux/arm64"; the host's by default. */
  platform?: string;
}

export async function pullImage(
  context: ImageContext,
  text: string,
  options: PullOptions = {},
): Promise<StoredImage> {
  void [context, options];
  throw new TspodError("internal", `Cannot pull "${text}": not built yet`);
}
