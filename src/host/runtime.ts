/** Other OCI runtimes (crun, runc, any program with their command line) that can make containers in place of our own. */
import { accessSync, constants, statSync } from "node:fs";
import { basename, resolve } from "node:path";
import { TspodError } from "../errors.ts";

/** A program, by absolute path, and what it is called. */
export interface ForeignRuntime {
  path: string;
  name: string;
}

/** What means our own runtime, which is part of the helper. */
export const ownRuntime = "tspod";
const ownNames = [ownRuntime, "tspod-oci"];

/** Those worth looking for when nobody names one. */
const knownNames = ["crun", "runc"];

/** Null: our own. A word with a slash is a path. Errors: runtime.not_found. */
export function findRuntime(wanted: string, path: string | undefined): ForeignRuntime | null {
  if (ownNames.includes(wanted)) return null;
  if (wanted.includes("/")) return requireRuntime(resolve(wanted));
  const found = searchRuntime(wanted, path);
  if (found !== null) return found;
  throw new TspodError("runtime.not_found", `Cannot find the runtime "${wanted}" in PATH`, {
    next: "install it, give its full path, or leave --runtime away to use tspod's own",
  });
}

/** The known ones that this host has, by name. */
export function listRuntimes(path: string | undefined): string[] {
  return [ownRuntime, ...knownNames.filter((name) => searchRuntime(name, path) !== null)];
}

/** PATH, then where distributions keep them: an ordinary user's PATH may lack the sbin directories. */
function searchRuntime(name: string, path: string | undefined): ForeignRuntime | null {
  const places = ["/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin", "/bin", "/sbin"];
  const found = [...(path ?? "").split(":"), ...places]
    .filter((directory) => directory.startsWith("/"))
    .map((directory) => `${directory}/${name}`)
    .find(isProgram);
  return found === undefined || name === "" ? null : { path: found, name };
}

function requireRuntime(path: string): ForeignRuntime {
  if (isProgram(path)) return { path, name: basename(path) };
  throw new TspodError("runtime.not_found", `Cannot use "${path}" as runtime`, {
    next: "it must be a program that you may execute",
  });
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false; // not there, or not for us
  }
}
