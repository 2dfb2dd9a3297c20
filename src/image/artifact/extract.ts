/**
 * Files of an artifact -> the host. Their names are the artifact's, so they are not trusted: nothing is written but
 * directly in the directory that the user has named, and what is there is replaced, never written through.
 */
import {
  chmodSync,
  closeSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { TspodError } from "../../errors.ts";
import { type Descriptor, type Digest, titleAnnotation } from "../../oci/index.ts";
import { blobPath } from "../../store/content.ts";
import type { ImageContext } from "../context.ts";
import { keepArtifact } from "./pull.ts";

export interface ExtractOptions {
  /** Only that file: by its digest, or by its title. */
  readonly digest?: string;
  readonly title?: string;
}

/** `target`: a directory, which is there; or a file, for an artifact of one. Throws image.*, files.refused, store.corrupt. */
export function extractArtifact(
  context: ImageContext,
  text: string,
  target: string,
  options: ExtractOptions,
): void {
  using kept = new DisposableStack();
  const { name, artifact } = keepArtifact(context, text, kept);
  const files = choose(artifact.files, name, options);
  const isDirectory = statSync(target, { throwIfNoEntry: false })?.isDirectory() === true;
  const [first, ...others] = files;
  if (!isDirectory && others.length > 0) {
    throw new TspodError("usage", `Cannot extract ${files.length} files of "${name}" to one`, {
      next: "make a directory and name that, or choose a file with --title or --digest",
    });
  }
  if (!isDirectory && first !== undefined) return copy(context, first, target);
  const named = files.map((file) => ({ file, name: fileName(file, name, options) }));
  for (const { file, name: own } of named) copy(context, file, join(target, own));
}

function choose(
  files: readonly Descriptor[],
  name: string,
  { digest, title }: ExtractOptions,
): readonly Descriptor[] {
  if (digest === undefined && title === undefined) return files;
  const chosen = files.filter((file) =>
    digest === undefined ? titleOf(file) === title : file.digest === digest,
  );
  if (chosen.length > 0) return chosen;
  throw new TspodError(
    "image.not_found",
    `There is no "${digest ?? title}" in artifact "${name}"`,
    {
      next: `tspod artifact inspect ${name} shows what there is`,
    },
  );
}

const titleOf = ({ annotations }: Descriptor): string => annotations?.[titleAnnotation] ?? "";

/** podman's: the title, or the digest where there is none or where it was asked for. */
function fileName(file: Descriptor, name: string, { digest }: ExtractOptions): string {
  const title = titleOf(file);
  if (title === "" || digest !== undefined) return file.digest.replace(":", "-");
  if (!/[/\0]/.test(title) && title !== "." && title !== "..") return title;
  throw new TspodError(
    "files.refused",
    `Cannot extract ${JSON.stringify(title)} of "${name}": it is no file's name`,
    {
      next: `extract it to a file: --digest ${file.digest} FILE`,
    },
  );
}

const chunkSizeBytes = 1024 * 1024;

/** Beside its place first: nobody sees half of it. */
function copy({ paths }: ImageContext, { digest }: Descriptor, target: string): void {
  const temporary = join(
    dirname(target),
    `.tspod-${process.pid}-${crypto.randomUUID().slice(0, 8)}`,
  );
  try {
    write(blobPath(paths, digest), digest, temporary);
    chmodSync(temporary, 0o666 & ~process.umask());
    renameSync(temporary, target);
  } catch (cause) {
    rmSync(temporary, { force: true });
    if (cause instanceof TspodError) throw cause;
    const { code } = cause as NodeJS.ErrnoException;
    const isFull = code === "ENOSPC" || code === "EDQUOT";
    const why = isFull ? ": no space is left there" : ` (${code})`;
    throw new TspodError("files.refused", `Cannot write "${target}"${why}`, {
      next: isFull
        ? "free some space there, or name another directory"
        : "name a directory or a file that can be written",
      cause,
    });
  }
}

function write(source: string, digest: Digest, target: string): void {
  const hash = new Bun.CryptoHasher("sha256");
  const buffer = Buffer.allocUnsafe(chunkSizeBytes);
  let from: number;
  try {
    from = openSync(source, "r");
  } catch (cause) {
    throw corrupt(digest, "missing", cause);
  }
  try {
    const to = openSync(target, "wx", 0o600);
    try {
      for (let length = readSync(from, buffer); length > 0; length = readSync(from, buffer)) {
        hash.update(buffer.subarray(0, length));
        for (let done = 0; done < length;) done += writeSync(to, buffer, done, length - done);
      }
    } finally {
      closeSync(to);
    }
  } finally {
    closeSync(from);
  }
  if (`sha256:${hash.digest("hex")}` !== digest) throw corrupt(digest, "damaged");
}

function corrupt(digest: Digest, state: string, cause?: unknown): TspodError {
  return new TspodError("store.corrupt", `Cannot extract ${digest}: it is ${state}`, {
    next: "remove the artifact and pull it again",
    cause,
  });
}
