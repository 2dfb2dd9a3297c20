/**
 * Which command starts the Zig helper. In the release it is this very file; in a development build the helper is
 * carried as a file that cannot be executed where it is, so it is copied out once; run from sources it is the one
 * that `npm run build` left in zig/zig-out.
 */

import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { TspodError } from "../errors.ts";
import { build } from "../version.ts";

const embeddedHelper = "/$bunfs/root/tspod-helper";
const builtHelper = `${import.meta.dir}/../../zig/zig-out/bin/tspod-helper`;

let command: readonly string[] | undefined;

/** The argv prefix of a native verb: `[...helperCommand(), "oci", "state", id]`. Errors: store.unwritable. */
export function helperCommand(): string[] {
  command ??= findHelper();
  return [...command];
}

function findHelper(): string[] {
  switch (build.kind) {
    case "release":
      return ownFile();
    case "dev":
      return [extractHelper(), "native"];
    case "source":
      return [builtHelper, "native"];
  }
}

function ownFile(): string[] {
  if (existsSync("/proc/self/exe")) return ["/proc/self/exe", "native"];
  throw new TspodError("host.no_proc", "Cannot work with containers: /proc is not mounted here", {
    next: "mount it: mount -t proc proc /proc",
  });
}

/** Copy the helper to `<cache>/tspod/<its hash>/tspod-helper` unless it is there. Two of us may race: same bytes. */
function extractHelper(): string {
  const directory = `${cacheHome()}/tspod/${build.helperSha256}`;
  const target = `${directory}/tspod-helper`;
  try {
    if (isMine(target, "file")) return target;
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    if (!isMine(directory, "directory"))
      throw new Error("it belongs to, or can be written by, others");
    const temporary = `${target}.${crypto.randomUUID()}.tmp`;
    try {
      writeFileSync(temporary, readFileSync(embeddedHelper), { flag: "wx", mode: 0o755 });
      renameSync(temporary, target);
    } finally {
      rmSync(temporary, { force: true });
    }
    return target;
  } catch (cause) {
    throw new TspodError("store.unwritable", `Cannot unpack the helper into "${directory}"`, {
      next: "set XDG_CACHE_HOME to a directory of your own",
      cause,
    });
  }
}

/**
 * Is it there, ours, and writable by nobody else? What is not will not be executed. Ours is also what belongs to whoever
 * could change this very program: in a user namespace that may be somebody else than root, who we are there.
 */
function isMine(path: string, kind: "file" | "directory"): boolean {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return false;
  const isKind = kind === "file" ? stat.isFile() : stat.isDirectory();
  if (!isKind || (stat.mode & 0o022) !== 0) return false;
  return stat.uid === process.geteuid?.() || stat.uid === statSync(process.execPath).uid;
}

/** XDG Base Directory Specification: a relative path in the variable is to be ignored. */
function cacheHome(): string {
  const { XDG_CACHE_HOME: chosen, HOME: home } = process.env;
  if (chosen?.startsWith("/")) return chosen;
  if (home?.startsWith("/")) return `${home}/.cache`;
  throw new Error("neither XDG_CACHE_HOME nor HOME is set");
}
