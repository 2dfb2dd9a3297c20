/** Copies files between containers, the host and archives. Which goes where is copy-rules.ts's; no byte passes through here. */
import { lstatSync, readlinkSync, statSync } from "node:fs";
import { posix } from "node:path";
import { TspodError } from "../errors.ts";
import {
  copyFiles,
  type FileKind,
  FilesRefused,
  type FilesVerb,
  hostFailure,
  lookAt,
  type Looked,
  type Place,
  receiveChunks,
  type ReceiveOptions,
  sendTo,
} from "../helper/index.ts";
import { decompress } from "../image/index.ts";
import { containerDirectory, runtimeDirectory } from "../store/containers.ts";
import type { ContainerContext } from "./context.ts";
import { type AskedPath, askedPath, type CopyDestination, copyTarget } from "./copy-rules.ts";
import type { Container } from "./find.ts";
import { refreshRoot } from "./joined.ts";

/** Something that has files: a container, or (null) this host. */
export interface CopyEnd {
  container: Container | null;
  /** As the user wrote it. */
  path: string;
}

export interface CopyOptions {
  /** Owners stay what they are, as far as they can. Otherwise all of it belongs to root in a container. */
  isArchive: boolean;
  /** A symbolic link is copied as what it leads to. */
  followsLink: boolean;
  /** A directory may take the place of something else, and the other way round. */
  overwrites: boolean;
}

/** Errors: files.*, container.not_found, store.full, host.*. */
export async function copyBetween(
  context: ContainerContext,
  from: CopyEnd,
  to: CopyEnd,
  options: CopyOptions,
): Promise<void> {
  const verb = verbOf(context);
  const source = await findSource(context, from, options.followsLink);
  const destination = await findDestination(context, to);
  const { directory, name } = copyTarget(source, destination);
  const what = { from: source.shown, to: destination.shown };
  const copied = await tellingWhy(what, () =>
    copyFiles(
      verb,
      { place: placeOf(context, from), path: source.path, name, follows: source.follows },
      {
        place: placeOf(context, to),
        path: directory,
        owners: ownersOf(to, options),
        overwrites: options.overwrites,
      },
    ),
  );
  tellSkipped(context, copied);
}

/** An archive of a path on a descriptor. Errors: files.*, container.not_found, host.*. */
export async function copyToDescriptor(
  context: ContainerContext,
  from: CopyEnd,
  { descriptor, followsLink }: { descriptor: number; followsLink: boolean },
): Promise<void> {
  const source = await findSource(context, from, followsLink);
  const { path, isContents, kind, follows, shown } = source;
  const name = isContents && kind === "directory" ? "" : posix.basename(path);
  const sent = await tellingWhy({ from: shown, to: "the archive" }, () =>
    sendTo(verbOf(context), { place: placeOf(context, from), path, name, follows }, descriptor),
  );
  tellSkipped(context, { ...sent, skippedDevices: 0 });
}

/** An archive (plain, gzip or zstd) into a directory. Errors: files.*, layer.invalid, store.full, host.*. */
export async function copyFromArchive(
  context: ContainerContext,
  archive: AsyncIterable<Uint8Array>,
  to: CopyEnd,
  options: Pick<CopyOptions, "overwrites">,
): Promise<void> {
  const { path, kind, shown } = await findDestination(context, to);
  if (kind !== "directory") {
    const why = kind === "" ? "there is no such directory" : "it is not a directory";
    throw new TspodError("files.not_found", `Cannot unpack the archive to "${shown}": ${why}`, {
      next: "name a directory of the container",
    });
  }
  const verb = verbOf(context);
  const received = await tellingWhy({ from: "the archive", to: shown }, () =>
    receiveChunks(verb, decompress(archive, "the archive", verb), {
      place: placeOf(context, to),
      path,
      owners: "archive",
      overwrites: options.overwrites,
      followsParents: true,
    }),
  );
  tellSkipped(context, { ...received, skippedSockets: 0 });
}

export function verbOf({ helper, signal }: ContainerContext): FilesVerb {
  return { command: helper, signal };
}

export function placeOf(
  { paths }: ContainerContext,
  { container }: Pick<CopyEnd, "container">,
): Place {
  if (container === null) return { kind: "host" };
  const directory = containerDirectory(paths, container.id);
  return { kind: "container", directory, runtimeDir: runtimeDirectory(paths, container.id) };
}

function ownersOf({ container }: CopyEnd, { isArchive }: CopyOptions): ReceiveOptions["owners"] {
  if (container === null) return isArchive && process.geteuid?.() === 0 ? "archive" : "nobody";
  return isArchive ? "archive" : { uid: 0, gid: 0 };
}

const shownEnd = ({ container, path }: CopyEnd): string =>
  container === null ? path : `${container.name}:${path}`;

const askedOf = ({ container, path }: CopyEnd): AskedPath =>
  askedPath(path, container === null ? process.cwd() : "/");

async function findSource(context: ContainerContext, from: CopyEnd, followsLink: boolean) {
  const asked = askedOf(from);
  const shown = shownEnd(from);
  const follows = followsLink || asked.isDirectory;
  const looked = await look(context, from, asked.path, shown);
  const kind = follows ? looked.leads : looked.kind;
  if (kind === "" || (asked.isDirectory && kind !== "directory")) {
    const why = looked.kind === "" ? "it does not exist" : "it is not a directory";
    const isDangling = looked.kind === "symlink" && looked.leads === "";
    const reason = isDangling ? "it is a link to something that is not there" : why;
    throw new TspodError("files.not_found", `Cannot copy "${shown}": ${reason}`, {
      next: "check the spelling",
    });
  }
  return { ...asked, kind, shown, follows };
}

/** As the kernel has it (path_resolution(7)). */
const linksMax = 40;

/** Links are followed, also one to something that is not there yet. */
async function findDestination(context: ContainerContext, to: CopyEnd): Promise<CopyDestination> {
  const asked = askedOf(to);
  const shown = shownEnd(to);
  let { path } = asked;
  for (let turn = 0; turn < linksMax; turn++) {
    const { kind, leads, parent, target } = await look(context, to, path, shown);
    if (kind !== "symlink") return { ...asked, path, kind, parent, shown };
    if (leads === "directory") return { ...asked, path, kind: leads, parent, shown };
    path = posix.resolve(posix.dirname(path), target);
  }
  throw new TspodError(
    "files.refused",
    `Cannot copy to "${shown}": it is a link that leads in circles`,
  );
}

async function look(
  context: ContainerContext,
  end: CopyEnd,
  path: string,
  shown: string,
): Promise<Looked> {
  if (end.container === null) return lookAtHost(path, shown);
  await refreshRoot(context, end.container);
  const [looked] = await tellingWhy({ from: shown, to: shown }, () =>
    lookAt(verbOf(context), placeOf(context, end), [path]),
  );
  return looked ?? { kind: "", leads: "", parent: "", target: "" };
}

function lookAtHost(path: string, shown: string): Looked {
  const kindOf = (name: string, stat: typeof statSync | typeof lstatSync): FileKind => {
    try {
      const found = stat(name);
      if (found.isDirectory()) return "directory";
      return found.isFile() ? "file" : found.isSymbolicLink() ? "symlink" : "other";
    } catch (cause) {
      const { code = "" } = cause as NodeJS.ErrnoException;
      if (["ENOENT", "ENOTDIR", "ELOOP"].includes(code)) return "";
      throw new TspodError("files.refused", `Cannot look at "${shown}" (${code})`, { cause });
    }
  };
  const kind = kindOf(path, lstatSync);
  return {
    kind,
    leads: kind === "symlink" ? kindOf(path, statSync) : kind,
    parent: kindOf(posix.dirname(path), statSync),
    target: kind === "symlink" ? readlinkSync(path) : "",
  };
}

function tellSkipped(
  { warn }: ContainerContext,
  { skippedDevices, skippedSockets }: { skippedDevices: number; skippedSockets: number },
): void {
  if (skippedDevices > 0)
    warn(`${count(skippedDevices, "device node")} left out: nobody may make them here`);
  if (skippedSockets > 0)
    warn(`${count(skippedSockets, "socket")} left out: they cannot be copied`);
}

const count = (number: number, what: string): string =>
  number === 1 ? `A ${what} was` : `${number} ${what}s were`;

/** What the helper refused, in the user's words. */
export async function tellingWhy<T>(
  what: { from: string; to: string },
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof FilesRefused)) throw error;
    throw hostFailure(error) ?? describe(error, what);
  }
}

function describe({ reply }: FilesRefused, { from, to }: { from: string; to: string }): TspodError {
  const { entry, call, errno, message } = reply;
  const about = entry === "" || entry === "." ? "" : ` at "${entry}"`;
  if (errno === "EROFS") {
    return new TspodError(
      "files.read_only",
      `Cannot copy to "${to}"${about}: it is read-only there`,
      {
        next: "copy into a volume that is writable, or create the container without --read-only",
      },
    );
  }
  if (errno === "ENOSPC" || errno === "EDQUOT") {
    return new TspodError("store.full", `Cannot copy to "${to}"${about}: ${message}`, {
      next: "free some space there and copy again; a file that was there before is as it was",
    });
  }
  const why = errno === "" ? message : `${message} (${call}: ${errno})`;
  const isInTheWay = message.includes("of that name is there");
  return new TspodError("files.refused", `Cannot copy "${from}" to "${to}"${about}: ${why}`, {
    ...(isInTheWay ? { next: "--overwrite replaces it" } : {}),
  });
}
