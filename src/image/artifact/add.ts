/** Files of the host -> an artifact of the store. */
import { createReadStream } from "node:fs";
import { basename } from "node:path";
import { TspodError } from "../../errors.ts";
import {
  type Artifact,
  createdAnnotation,
  type Descriptor,
  type Digest,
  digestOf,
  emptyConfigText,
  fileCountMax,
  formatArtifact,
  parseArtifact,
  titleAnnotation,
  unknownArtifactType,
} from "../../oci/index.ts";
import { findArtifactRecord } from "../../store/artifacts.ts";
import { explainWrite, NewBlob } from "../../store/content.ts";
import { transact } from "../../store/database.ts";
import type { Orphans } from "../../store/image-writes.ts";
import { recordEvent } from "../../store/events.ts";
import { keepLease } from "../../store/leases.ts";
import { keepBytes } from "../blob.ts";
import type { ImageContext } from "../context.ts";
import { localName } from "../make-image.ts";
import { publishBlob } from "../make-layer.ts";
import { prepareStore } from "../prepare.ts";
import { removeFiles } from "../remove.ts";
import { replaceArtifact } from "./replace.ts";

export interface AddOptions {
  /** "": unknown; of an artifact that is added to, what it has. */
  readonly artifactType: string;
  /** "": told by what is in the file. */
  readonly fileType: string;
  /** Of each file. */
  readonly annotations: Readonly<Record<string, string>>;
  /** Append: to one that is there. Replace: whether there is one or not. */
  readonly how: "new" | "append" | "replace";
}

/** Throws image.invalid (there is one; two files of one name), files.*, reference.invalid, store.full. */
export async function addArtifact(
  context: ImageContext,
  text: string,
  paths: readonly string[],
  options: AddOptions,
): Promise<Digest> {
  const { database } = context;
  const name = localName(text);
  const before = look(context, name, options.how);
  const old = before === null ? undefined : parseArtifact(before.manifest, name);
  using kept = new DisposableStack();
  // who is killed in the middle leaves a file that nobody else would look for
  kept.use(keepLease(database, "keep:ingest:artifact"));
  try {
    prepareStore(context);
    const added: Descriptor[] = [];
    for (const path of paths) added.push(await addFile(context, path, options, kept));
    const files = [...(old?.files ?? []), ...added];
    refuseDoubles(files, name);
    const manifest = formatArtifact(contentOf(old, files, options));
    kept.use(await keepBytes(context, emptyConfigText));
    kept.use(await keepBytes(context, manifest));
    const digest = digestOf(manifest);
    const blobs = [digestOf(emptyConfigText), ...files.map((file) => file.digest)];
    const work = (): Orphans => {
      const now = look(context, name, options.how);
      if (options.how === "append" && now?.digest !== before?.digest) throw changed(name);
      const addedAt = new Date().toISOString();
      return replaceArtifact(database, { name, digest, manifest, addedAt }, blobs);
    };
    const unneeded = transact(database, work, { durable: true });
    recordEvent(context, { type: "artifact", status: "create", id: digest, name });
    removeFiles(context, unneeded);
    return digest;
  } catch (error) {
    throw explainWrite(error, context.paths);
  }
}

/** What is there of that name, as far as it is to be gone on with. */
function look({ database }: ImageContext, name: string, how: AddOptions["how"]) {
  const found = findArtifactRecord(database, name);
  if (how === "new" && found !== null) {
    throw new TspodError("image.invalid", `There is an artifact "${name}" already`, {
      next: "use --append to add files to it, --replace to make it anew, or another name",
    });
  }
  if (how === "append" && found === null) {
    throw new TspodError("image.not_found", `Cannot find artifact "${name}" to add to`, {
      next: "leave --append away to make it",
    });
  }
  return how === "append" ? found : null;
}

function contentOf(
  old: Artifact | undefined,
  files: readonly Descriptor[],
  { artifactType }: AddOptions,
): Omit<Artifact, "config"> {
  const annotations = old?.annotations ?? { [createdAnnotation]: new Date().toISOString() };
  return {
    artifactType: old?.artifactType ?? (artifactType || unknownArtifactType),
    files,
    annotations,
  };
}

async function addFile(
  context: ImageContext,
  path: string,
  { fileType, annotations }: AddOptions,
  kept: DisposableStack,
): Promise<Descriptor> {
  using blob = new NewBlob(context.paths);
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: chunkSizeBytes })) {
      context.signal.throwIfAborted();
      blob.write(chunk as Uint8Array); // no encoding is set
    }
  } catch (cause) {
    if (cause instanceof TspodError || context.signal.aborted) throw cause;
    const { code } = cause as NodeJS.ErrnoException;
    const why = { ENOENT: "it does not exist", EISDIR: "it is a directory" }[code ?? ""] ?? code;
    throw new TspodError("files.not_found", `Cannot add "${path}": ${why}`, {
      next: "name a file that can be read",
      cause,
    });
  }
  blob.finish();
  const mediaType = fileType || kindOf(await blob.head());
  kept.use(await publishBlob(context, blob));
  return {
    ...{ mediaType, digest: blob.digest(), sizeBytes: blob.sizeBytes },
    annotations: { [titleAnnotation]: basename(path), ...annotations },
  };
}

const chunkSizeBytes = 256 * 1024;

/** The first bytes, in hex, of what is often carried so. */
const kinds: readonly (readonly [string, string])[] = [
  ["1f8b", "application/x-gzip"],
  ["28b52ffd", "application/zstd"],
  ["504b0304", "application/zip"],
  ["25504446", "application/pdf"],
  ["89504e470d0a1a0a", "image/png"],
  ["ffd8ff", "image/jpeg"],
  ["0061736d", "application/wasm"],
];

function kindOf(head: Uint8Array): string {
  const hex = Buffer.from(head).toString("hex");
  const known = kinds.find(([begin]) => hex.startsWith(begin));
  if (known !== undefined) return known[1];
  const isText = head.every(
    (byte) => byte >= 0x20 || [0x09, 0x0a, 0x0c, 0x0d, 0x1b].includes(byte),
  );
  return isText ? "text/plain; charset=utf-8" : "application/octet-stream";
}

function refuseDoubles(files: readonly Descriptor[], name: string): void {
  if (files.length > fileCountMax) {
    throw new TspodError("image.invalid", `An artifact has at most ${fileCountMax} files`);
  }
  const titles = files.map(({ annotations }) => annotations?.[titleAnnotation] ?? "");
  const double = titles.find((title, i) => title !== "" && titles.indexOf(title) !== i);
  if (double === undefined) return;
  throw new TspodError("image.invalid", `Cannot add "${double}" twice to artifact "${name}"`, {
    next: `give it another name with --annotation ${titleAnnotation}=NAME`,
  });
}

function changed(name: string): TspodError {
  return new TspodError("image.invalid", `Artifact "${name}" was changed by somebody meanwhile`, {
    next: "try again",
  });
}
