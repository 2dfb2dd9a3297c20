/** Where cp puts what: docker's rules, which are those of cp -r with a "/." at the end meaning "what is in it". Pure. */
import { posix } from "node:path";
import { TspodError } from "../errors.ts";
import type { FileKind } from "../helper/index.ts";

/** A path as somebody wrote it. */
export interface AskedPath {
  /** Absolute, without "." and a slash at its end. */
  path: string;
  /** It ends in "/" or "/.": it can only be a directory, and a link there is followed. */
  isDirectory: boolean;
  /** It ends in "/.": what is in the directory. */
  isContents: boolean;
}

/** `base`: what a relative path is relative to. */
export function askedPath(text: string, base: string): AskedPath {
  const isContents = /(^|\/)\.$/.test(text);
  const path = posix.resolve(base, text);
  return {
    path,
    isContents: isContents || path === "/",
    isDirectory: isContents || text.endsWith("/"),
  };
}

export interface CopyTarget {
  /** Into this directory, which exists. */
  directory: string;
  /** Under this name; "": what is in the source comes directly into the directory. */
  name: string;
}

export interface CopySource extends AskedPath {
  kind: FileKind;
  /** For errors: "web:/etc". */
  shown: string;
}

export interface CopyDestination extends AskedPath {
  /** What is there, links followed. */
  kind: FileKind;
  parent: FileKind;
  shown: string;
}

/** Errors: files.refused, files.not_found. */
export function copyTarget(source: CopySource, destination: CopyDestination): CopyTarget {
  const isDirectory = source.kind === "directory";
  const { path, kind, shown } = destination;
  if (kind === "directory") {
    return {
      directory: path,
      name: isDirectory && source.isContents ? "" : posix.basename(source.path),
    };
  }
  const renamed = { directory: posix.dirname(path), name: posix.basename(path) };
  if (kind !== "") {
    if (!isDirectory && !destination.isDirectory) return renamed;
    const what = isDirectory ? `the directory "${source.shown}" to` : "into";
    throw new TspodError("files.refused", `Cannot copy ${what} "${shown}": it is not a directory`, {
      next: "choose another name",
    });
  }
  if (destination.parent !== "directory") {
    const parent = shown.replace(/[^/]*\/*$/, "") || "/";
    throw new TspodError(
      "files.not_found",
      `Cannot copy to "${shown}": there is no directory "${parent}"`,
      {
        next: "make it first: cp makes no parents",
      },
    );
  }
  if (destination.isDirectory && !isDirectory) {
    throw new TspodError(
      "files.not_found",
      `Cannot copy to "${shown}": there is no such directory`,
      {
        next: "leave the slash at its end away to give the file that name",
      },
    );
  }
  return renamed;
}
