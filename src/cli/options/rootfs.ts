/** --rootfs: a directory of the host takes an image's place on the command line (podman run, "--rootfs"). */
import { realpathSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { TspodError } from "../../errors.ts";
import type { DirectoryRoot } from "../../spec/index.ts";

/** DIRECTORY[:O]. Throws usage. */
export function parseRootfs(text: string): DirectoryRoot {
  const [, path = text, option = ""] = /^(.*):([^:/]*)$/.exec(text) ?? [];
  if (option !== "" && option !== "O") {
    const why = option.startsWith("idmap")
      ? "only real root may map the ids of a file system"
      : `"${option}" is no option of it`;
    throw new TspodError("usage", `Invalid --rootfs "${text}": ${why}`, {
      next: "use DIRECTORY, or DIRECTORY:O to throw away what is written",
    });
  }
  const asked = resolve(path);
  requireDirectory(asked, text);
  const directory = realpathSync(asked); // where it is, whatever becomes of the links to it
  return { directory, isThrowAway: option === "O" };
}

function requireDirectory(directory: string, text: string): void {
  let why = "it is not a directory";
  try {
    if (statSync(directory).isDirectory()) return;
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    why = code === "ENOENT" ? "it does not exist" : `${code}`;
  }
  throw new TspodError("usage", `Cannot use "${text}" as a root file system: ${why}`, {
    next: "with --rootfs the first argument is a directory of this host",
  });
}
