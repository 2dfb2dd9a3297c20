/** The directories of content, before anything is put there. */
import { statSync } from "node:fs";
import { spreadDirectories } from "../helper/index.ts";
import { prepareContent } from "../store/content.ts";
import { knowsFact, rememberFact } from "../store/database.ts";
import type { ImageContext } from "./context.ts";

/** Idempotent. Throws store.full, store.unwritable. */
export function prepareStore(context: ImageContext): void {
  const { paths, database } = context;
  prepareContent(paths);
  // once for each directory: one that was copied from elsewhere has lost it
  const { dev, ino } = statSync(paths.layers);
  const fact = `spread ${dev} ${ino}`;
  if (knowsFact(database, fact)) return;
  spreadDirectories(context.helper, [paths.layers]);
  rememberFact(database, fact);
}
