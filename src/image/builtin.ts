/** The image that is carried inside the file. */
import { TspodError } from "../errors.ts";
import type { StoredImage } from "../store/images.ts";
import type { ImageContext } from "./context.ts";

/** Store (once) an image "localhost/hello:latest" whose only file is `program`, a static executable. */
export async function ensureBuiltin(
  context: ImageContext,
  program: Uint8Array,
): Promise<StoredImage> {
  void [context, program];
  throw new TspodError("internal", "Cannot store the built-in image: not built yet");
}
