/** The directories of content, before anything is put there. */
import { spreadDirectories } from "../helper/index.ts";
import { prepareContent } from "../store/content.ts";
import type { ImageContext } from "./context.ts";

/** Idempotent; what a new store needs once is done when it is made. Throws store.full, store.unwritable. */
export function prepareStore(context: ImageContext): void {
  const { paths } = context;
  if (prepareContent(paths)) spreadDirectories(context.helper, [paths.layers]);
}
