/** What `load` is given: a file, a directory, or a stream. Files are opened once and never through a last symbolic link. */
import {
  closeSync,
  constants,
  createReadStream,
  fstatSync,
  openSync,
  readdirSync,
  statSync,
} from "node:fs";
import { join } from "node:path";
import { TspodError } from "../../errors.ts";
import type { ArchiveSource } from "./load.ts";
import type { ArchiveEntry } from "./read-tar.ts";

const chunkBytes = 256 * 1024;

/** Errors: files.not_found, files.refused, image.invalid for a directory that holds no image. */
export function openArchive(path: string): ArchiveSource {
  const what = `"${path}"`;
  const stat = inspect(path);
  if (stat.isDirectory()) return { entries: readDirectory(path, what), what };
  return { bytes: readFile(open(path, what, 0), what), what };
}

function inspect(path: string) {
  try {
    return statSync(path);
  } catch (cause) {
    throw unreadable(`"${path}"`, cause);
  }
}

function open(path: string, what: string, flags: number): number {
  try {
    return openSync(path, constants.O_RDONLY | flags);
  } catch (cause) {
    throw unreadable(what, cause);
  }
}

async function* readFile(fd: number, what: string): AsyncGenerator<Uint8Array> {
  const stream = createReadStream("", { fd, highWaterMark: chunkBytes });
  try {
    for await (const chunk of stream) yield chunk as Uint8Array; // no encoding is set: buffers
  } catch (cause) {
    throw unreadable(what, cause);
  } finally {
    stream.destroy();
  }
}

/** The names that an OCI layout or a directory of skopeo's has; whatever else lies there is nobody's business. */
async function* readDirectory(path: string, what: string): AsyncGenerator<ArchiveEntry> {
  const top = list(path, what);
  if (!top.includes("index.json") && !top.includes("manifest.json")) {
    throw new TspodError(
      "image.invalid",
      `Cannot load ${what}: it holds no index.json and no manifest.json, so no image`,
      { next: "name an archive, an OCI layout or a directory that skopeo has written" },
    );
  }
  for (const name of top) {
    if (/^(?:index\.json|manifest\.json|[0-9a-f]{64})$/.test(name)) yield entry(path, name, what);
  }
  if (!top.includes("blobs")) return;
  for (const hex of list(join(path, "blobs/sha256"), what)) {
    if (/^[0-9a-f]{64}$/.test(hex)) yield entry(path, `blobs/sha256/${hex}`, what);
  }
}

function entry(directory: string, name: string, what: string): ArchiveEntry {
  const shown = `"${name}" of ${what}`;
  // without waiting for somebody to write into a pipe
  const fd = open(join(directory, name), shown, constants.O_NOFOLLOW | constants.O_NONBLOCK);
  const stat = fstatSync(fd);
  if (!stat.isFile()) {
    closeSync(fd);
    throw new TspodError("image.invalid", `Cannot load ${shown}: it is no file`);
  }
  return {
    ...{ name, kind: "file", linkName: "", isSymbolic: false, sizeBytes: stat.size },
    chunks: () => readFile(fd, shown),
  };
}

function list(path: string, what: string): string[] {
  try {
    return readdirSync(path).sort();
  } catch (cause) {
    throw unreadable(what, cause);
  }
}

function unreadable(what: string, cause: unknown): TspodError {
  const { code } = cause as NodeJS.ErrnoException;
  if (code === "ENOENT") {
    return new TspodError("files.not_found", `Cannot read ${what}: it does not exist`, {
      next: "name an archive, a directory, or - for standard input",
      cause,
    });
  }
  const why = code === "ELOOP" ? "it is a symbolic link" : `${code}`;
  return new TspodError("files.refused", `Cannot read ${what}: ${why}`, {
    next: "name an archive or a directory that you may read",
    cause,
  });
}
