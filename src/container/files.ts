/** The files of one container that this program wrote itself. */
import { existsSync, readFileSync } from "node:fs";
import { TspodError } from "../errors.ts";
import { writeFileAtomic } from "../lib/atomic-file.ts";
import { containerDirectory } from "../store/containers.ts";
import type { Store } from "./find.ts";

/** What asks it how it is, and what asks before that. */
export type CheckFile = "health-exec.json" | "startup-exec.json";

/** Errors: container.not_found when it was removed meanwhile, container.damaged when the file is not what we wrote. */
export function readContainerFile<T>(
  context: Pick<Store, "paths">,
  id: string,
  name: "config.json" | "helper.json" | CheckFile,
): T {
  const path = `${containerDirectory(context.paths, id)}/${name}`;
  try {
    return JSON.parse(readFileSync(path, "utf8")) as T; // create wrote it
  } catch (cause) {
    const isGone = (cause as NodeJS.ErrnoException).code === "ENOENT";
    const short = id.slice(0, 12);
    throw new TspodError(
      isGone ? "container.not_found" : "container.damaged",
      isGone ? `Cannot find "${path}"` : `Cannot read "${path}": it is damaged`,
      {
        next: isGone
          ? `the container has been removed, or its files were: then tspod rm -f ${short} removes the rest`
          : `tspod rm -f ${short} removes the container; make it again`,
        cause,
      },
    );
  }
}

export function hasContainerFile(
  context: Pick<Store, "paths">,
  id: string,
  name: CheckFile,
): boolean {
  return existsSync(`${containerDirectory(context.paths, id)}/${name}`);
}

/** By rename. Errors: container.not_found when it was removed meanwhile. */
export function writeContainerFile(
  context: Pick<Store, "paths">,
  id: string,
  name: "config.json" | "helper.json" | CheckFile,
  text: string,
): void {
  try {
    writeFileAtomic(`${containerDirectory(context.paths, id)}/${name}`, text, { durable: true });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "ENOENT") throw cause;
    throw new TspodError("container.not_found", `Container "${id.slice(0, 12)}" has been removed`, {
      next: "tspod ps -a lists those that are left",
      cause,
    });
  }
}
