/** run --rmi: what a container stood on goes after it. */
import { TspodError } from "../errors.ts";
import { removeImage } from "../image/index.ts";
import type { ContainerContext } from "./context.ts";

/** The name goes, with the last one the image. One that a container stands on, or that is gone already, is left. */
export async function discardImage(context: ContainerContext, name: string): Promise<void> {
  try {
    await removeImage(context, name);
  } catch (error) {
    const isLeft = error instanceof TspodError && /^image\.(in_use|not_found)$/.test(error.code);
    if (!isLeft) throw error;
  }
}
