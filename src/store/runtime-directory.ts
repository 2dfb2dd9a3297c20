/** The runtime directory must be the caller's alone: whoever writes there says which process a container is. */
import { lstatSync } from "node:fs";
import { dirname } from "node:path";
import { TspodError } from "../errors.ts";
import type { Paths } from "./paths.ts";

const writableByOthers = 0o022;

/**
 * Nothing there is fine: the helper makes it 0700. Throws store.unwritable for somebody else's (in /tmp, say), or where we
 * may not even look.
 */
export function requirePrivateRuntime({ runtime }: Paths): void {
  const found = look(runtime);
  if (found === undefined) return;
  const isOurs = found.uid === process.geteuid?.() && (found.mode & writableByOthers) === 0;
  if (found.isDirectory() && isOurs) return;
  throw new TspodError(
    "store.unwritable",
    `Cannot use "${runtime}": it is not a directory that only you can write to`,
    { next: "set XDG_RUNTIME_DIR to a directory of your own, or remove that one" },
  );
}

function look(path: string) {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException; // of a system call
    throw new TspodError("store.unwritable", `Cannot look into "${dirname(path)}" (${code})`, {
      next: "set XDG_RUNTIME_DIR to a directory of your own",
      cause,
    });
  }
}
