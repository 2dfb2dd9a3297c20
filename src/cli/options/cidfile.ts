/** --cidfile: the container's id in a file that must not exist yet, for it may name a container that still runs. */
import { rmSync, writeFileSync } from "node:fs";
import { TspodError } from "../../errors.ts";

export interface Cidfile {
  write(id: string): void;
  /** Nothing was created: leave nothing behind. */
  discard(): void;
}

/** Takes the file before anything is made. Throws usage when it is there or cannot be written. */
export function openCidfile(path: string | null): Cidfile {
  if (path === null) return { write: () => {}, discard: () => {} };
  try {
    writeFileSync(path, "", { flag: "wx" });
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const why = code === "EEXIST" ? "it exists already" : `${code}`;
    throw new TspodError("usage", `Cannot write the --cidfile "${path}": ${why}`, {
      next: "remove it if its container is gone, or name another file",
      cause,
    });
  }
  return {
    write: (id) => writeId(path, id),
    discard: () => rmSync(path, { force: true }),
  };
}

/** Whoever calls it unmakes the container then. */
function writeId(path: string, id: string): void {
  try {
    writeFileSync(path, id);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new TspodError("files.refused", `Cannot write the --cidfile "${path}": ${code}`, {
      next: "free some space there, or name another file",
      cause,
    });
  }
}
