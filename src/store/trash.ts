/**
 * What is renamed first and deleted at leisure lies in `trash/`. Of what lies on another disk, where no rename leads
 * there, a link does: `trash/NAME` -> `volumes/.trash-NAME`.
 */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { Paths } from "./paths.ts";

export const besideName = (paths: Pick<Paths, "volumes">, name: string): string =>
  `${paths.volumes}/.trash-${name}`;

/** The trees to delete. A link is one of them once there is nothing more at its end. */
export function listTrash(paths: Pick<Paths, "trash" | "volumes">): string[] {
  let names: string[];
  try {
    names = readdirSync(paths.trash);
  } catch {
    return []; // not made yet
  }
  return names.map((name) => {
    const beside = besideName(paths, name);
    return existsSync(beside) ? beside : join(paths.trash, name);
  });
}
