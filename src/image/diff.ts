/** What the topmost layer of an image changes of those below it. */
import { type FileChange, FilesRefused, hostFailure, treeChanges } from "../helper/index.ts";
import { TspodError } from "../errors.ts";
import { transact } from "../store/database.ts";
import { keepLease } from "../store/leases.ts";
import { layerTree } from "../store/layers.ts";
import type { ImageContext } from "./context.ts";
import { getImage } from "./find.ts";

/** In order of path; nothing for an image without layers. Errors: image.not_found, files.refused, host.*. */
export async function imageChanges(context: ImageContext, text: string): Promise<FileChange[]> {
  const { helper: command, mapping, signal } = context;
  using trees = keepTrees(context, text);
  const [directory, ...lower] = trees.directories;
  if (directory === undefined) return [];
  try {
    const upper = { kind: "tree", directory, mapping } as const;
    return await treeChanges({ command, signal }, upper, { lower, except: [], hasMarks: false });
  } catch (error) {
    if (!(error instanceof FilesRefused)) throw error;
    const { message, call, errno } = error.reply;
    const why = errno === "" ? message : `${message} (${call}: ${errno})`;
    const refused = new TspodError("files.refused", `Cannot compare layers of "${text}": ${why}`, {
      next: "tspod system check tells whether they are there",
      cause: error,
    });
    throw hostFailure(error) ?? refused;
  }
}

/** The layers of an image, topmost first; nobody removes them until it is disposed of. Errors: image.not_found. */
export function keepTrees(
  context: ImageContext,
  text: string,
): { directories: string[] } & Disposable {
  const { database, paths } = context;
  const kept = new DisposableStack();
  const keep = (): readonly string[] => {
    const { layers } = getImage(context, text);
    for (const chainId of layers) kept.use(keepLease(database, `keep:layer:${chainId}`));
    return layers;
  };
  const directories = transact(database, keep, { durable: false }).map((id) =>
    layerTree(paths, id),
  );
  return { directories, [Symbol.dispose]: () => kept.dispose() };
}
