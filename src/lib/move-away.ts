/** A rename that somebody else may have done already. */
import { renameSync } from "node:fs";

/** False: it is not there, or no longer: somebody else was faster. */
export function moveAway(path: string, trash: string): boolean {
  try {
    renameSync(path, trash);
    return true;
  } catch (error) {
    if ((error as { code?: string }).code === "ENOENT") return false;
    throw error;
  }
}
