/**
 * The files verbs of the helper: what is in a container, read and written from outside, inside the user namespace that it
 * has or will have. Archives go from one process to the other, or to and from our own standard streams, without passing
 * through here unless somebody wants their bytes. Zig's side is zig/src/tree/.
 */
import { TspodError } from "../errors.ts";
import type { LayerRefused } from "./contract.ts";
import { describeFailure } from "./failure.ts";
import { feed, type LayerMapping, mapOptions } from "./layer.ts";

/** Whose files. Paths are absolute. */
export type Place =
  | { kind: "host" }
  /** Running or not: the helper finds out. */
  | { kind: "container"; directory: string; runtimeDir: string }
  /** What lies below a directory, seen by somebody with this map. */
  | { kind: "tree"; directory: string; mapping: LayerMapping };

export interface FilesVerb {
  /** Argv prefix of native verbs. */
  readonly command: readonly string[];
  readonly signal: AbortSignal;
}

export interface SendOptions {
  place: Place;
  path: string;
  /** What it is called in the archive; "": the contents of a directory. */
  name: string;
  /** Follow a symbolic link at the end of the path. */
  follows?: boolean;
  /** It becomes a layer of an image. */
  isLayer?: boolean;
  /** fuse-overlayfs has written it, whose whiteouts may be files. */
  hasMarks?: boolean;
  /** Nothing of what is mounted in it. */
  isBare?: boolean;
  /** Relative paths that are left out as long as they are empty. */
  except?: readonly string[];
}

export interface ReceiveOptions {
  place: Place;
  /** A directory that exists. */
  path: string;
  /** Whose the files are: as the archive says, the caller's, or somebody's of the container. */
  owners: "archive" | "nobody" | { uid: number; gid: number };
  overwrites?: boolean;
  /** Directories on the way that the archive does not hold may be symbolic links of the container. */
  followsParents?: boolean;
}

export interface Sent {
  entries: number;
  bytes: number;
  skippedSockets: number;
}

export interface Received {
  entries: number;
  bytes: number;
  skippedDevices: number;
  lostOwners: number;
}

export type FileKind = "directory" | "file" | "symlink" | "other" | "";

export interface Looked {
  /** Without following a last symbolic link; "": nothing is there. */
  kind: FileKind;
  /** Following it. */
  leads: FileKind;
  /** What the directory of its name is. */
  parent: FileKind;
  /** Of a symbolic link. */
  target: string;
}

export interface FileChange {
  /** Added, changed, deleted. */
  kind: "A" | "C" | "D";
  path: string;
}

type Reply = { ok: true; verb?: "send" | "receive" } | LayerRefused;

/** What went wrong at which side: errors speak of it with the user's words. */
export class FilesRefused extends Error {
  readonly reply: LayerRefused;

  constructor(reply: LayerRefused) {
    super(reply.message);
    this.reply = reply;
  }
}

/** An archive on a descriptor of ours. Errors: FilesRefused. */
export async function sendTo(
  verb: FilesVerb,
  from: SendOptions,
  descriptor: number,
): Promise<Sent> {
  const [sent] = await run(verb, ["send", ...sendWords(from)], descriptor);
  return sent as unknown as Sent; // what that verb answers, or it threw
}

/** A plain tar, read to its end. Errors: FilesRefused, and whatever `tar` throws. */
export async function receiveChunks(
  verb: FilesVerb,
  tar: AsyncIterable<Uint8Array>,
  to: ReceiveOptions,
): Promise<Received> {
  const [received] = await run(verb, ["receive", ...receiveWords(to)], "ignore", tar);
  return received as unknown as Received; // as above
}

/** From one place to another. Errors: FilesRefused. */
export async function copyFiles(
  verb: FilesVerb,
  from: SendOptions,
  to: ReceiveOptions,
): Promise<Sent & Received> {
  const words = ["copy", ...sendWords(from), "--", ...receiveWords(to)];
  const replies = await run(verb, words, "ignore");
  return Object.assign({}, ...replies) as Sent & Received; // one of each verb, or it threw
}

/** An archive as a stream of bytes, to be read to its end. Errors: FilesRefused. */
export async function* sendChunks(
  verb: FilesVerb,
  from: SendOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  verb.signal.throwIfAborted();
  const child = Bun.spawn([...verb.command, "files", "send", ...sendWords(from)], {
    stdio: ["ignore", "pipe", "ignore", "pipe"],
    env: {},
  });
  const answer = textOf(child.stdio[3]);
  try {
    yield* child.stdout;
    requireAll(await answer, await child.exited);
  } finally {
    child.kill("SIGKILL");
    await Promise.allSettled([answer, child.exited]);
  }
}

/** In the order of `paths`. */
export async function lookAt(
  verb: FilesVerb,
  place: Place,
  paths: readonly string[],
): Promise<Looked[]> {
  return ask<Looked>(verb, ["stat", ...placeWords(place), "--", ...paths]);
}

/** Bytes of the files below a directory, also of those that only somebody of the mapping may see. Undefined: no answer. */
export function treeSize(
  command: readonly string[],
  mapping: LayerMapping,
  directory: string,
): number | undefined {
  const words = ["size", ...placeWords({ kind: "tree", directory: "/", mapping }), "--", directory];
  const child = Bun.spawnSync([...command, "files", ...words], {
    stdio: ["ignore", "pipe", "ignore"],
    env: {},
  });
  if (!child.success) return undefined;
  return (JSON.parse(child.stdout.toString()) as { bytes: number }).bytes; // our own helper's
}

/** What an upper directory changes of the layers below it, topmost first. */
export async function treeChanges(
  verb: FilesVerb,
  upper: Extract<Place, { kind: "tree" }>,
  options: { lower: readonly string[]; except: readonly string[]; hasMarks: boolean },
): Promise<FileChange[]> {
  const layers = options.lower.flatMap((path) => ["--lower", path]);
  const marks = options.hasMarks ? ["--marks"] : [];
  const words = [...placeWords(upper), ...marks, ...exceptWords(options.except), ...layers];
  return ask<FileChange>(verb, ["changes", ...words]);
}

/** What the files of `layers` have otherwise than those of `lower`, both topmost first and seen with one map. */
export async function compareTrees(
  verb: FilesVerb,
  layers: readonly string[],
  {
    mapping,
    lower,
    except,
    hasMarks,
  }: {
    mapping: LayerMapping;
    lower: readonly string[];
    except: readonly string[];
    hasMarks: boolean;
  },
): Promise<FileChange[]> {
  const words = [
    ...placeWords({ kind: "tree", directory: "/", mapping }),
    ...(hasMarks ? ["--marks"] : []),
    ...exceptWords(except),
    ...lower.flatMap((path) => ["--lower", path]),
  ];
  return ask<FileChange>(verb, ["compare", ...words, "--", ...layers]);
}

function placeWords(place: Place): string[] {
  switch (place.kind) {
    case "host":
      return [];
    case "container":
      return ["--container", place.directory, place.runtimeDir];
    case "tree":
      return ["--tree", place.directory, ...mapOptions(place.mapping)];
  }
}

const exceptWords = (paths: readonly string[]): string[] =>
  paths.flatMap((path) => ["--except", path]);

function sendWords(from: SendOptions): string[] {
  const { place, path, name, except = [] } = from;
  return [
    ...placeWords(place),
    ...["--path", path, "--name", name],
    ...(from.follows === true ? ["--follow"] : []),
    ...(from.isLayer === true ? ["--layer"] : []),
    ...(from.hasMarks === true ? ["--marks"] : []),
    ...(from.isBare === true ? ["--bare"] : []),
    ...exceptWords(except),
  ];
}

function receiveWords({ place, path, owners, ...to }: ReceiveOptions): string[] {
  const whose = typeof owners === "string" ? owners : `${owners.uid}:${owners.gid}`;
  return [
    ...placeWords(place),
    ...["--path", path, "--owners", whose],
    ...(to.overwrites === true ? ["--overwrite"] : []),
    ...(to.followsParents === true ? ["--follow-parents"] : []),
  ];
}

/** How the helper tells that SIGPIPE ended the process that wrote. */
const brokenPipe = 128 + 13;

/** The lines of a verb that answers on descriptor 3. */
async function run(
  verb: FilesVerb,
  words: readonly string[],
  stdout: "ignore" | number,
  input?: AsyncIterable<Uint8Array>,
): Promise<Reply[]> {
  const { command, signal } = verb;
  signal.throwIfAborted();
  const child = Bun.spawn([...command, "files", ...words], {
    stdio: [input === undefined ? "ignore" : "pipe", stdout, "ignore", "pipe"],
    env: {},
  });
  const kill = (): void => child.kill("SIGKILL");
  signal.addEventListener("abort", kill, { once: true });
  const answer = textOf(child.stdio[3]);
  try {
    if (input !== undefined && child.stdin !== undefined) await feed(child.stdin, input, signal);
    const replies = await answer;
    const status = await child.exited;
    signal.throwIfAborted();
    // whoever read the archive has seen enough: as a write of our own would have failed
    if (typeof stdout === "number" && status === brokenPipe) {
      throw Object.assign(new Error("write: nobody reads any more"), { code: "EPIPE" });
    }
    return requireAll(replies, status);
  } catch (error) {
    kill();
    await Promise.allSettled([answer, child.exited]);
    throw error;
  } finally {
    signal.removeEventListener("abort", kill);
  }
}

/** Of a descriptor that was asked for as "pipe": a number, whatever the types say. */
function textOf(descriptor: unknown): Promise<string> {
  return new Response(Bun.file(descriptor as number).stream()).text();
}

/** The lines of a verb that answers on standard output. */
async function ask<T>(verb: FilesVerb, words: readonly string[]): Promise<T[]> {
  verb.signal.throwIfAborted();
  const child = Bun.spawn([...verb.command, "files", ...words], {
    stdio: ["ignore", "pipe", "ignore"],
    env: {},
  });
  const kill = (): void => child.kill("SIGKILL");
  verb.signal.addEventListener("abort", kill, { once: true });
  try {
    const answer = await child.stdout.text();
    const status = await child.exited;
    verb.signal.throwIfAborted();
    return requireAll(answer, status) as unknown as T[]; // what that verb answers (zig/src/tree/)
  } finally {
    verb.signal.removeEventListener("abort", kill);
  }
}

/** What was refused is thrown, the receiver's word before the sender's, who may only have found his pipe broken. */
function requireAll(answer: string, status: number): Reply[] {
  const replies = answer
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Reply); // our own helper's
  const refusals = replies.filter((reply) => !reply.ok);
  const refused = refusals.find(({ errno }) => errno !== "EPIPE") ?? refusals[0];
  if (refused !== undefined) throw new FilesRefused(refused);
  if (status === 0) return replies;
  throw new TspodError("internal", `The helper ended without a word (status ${status})`, {
    next: "run the command again",
  });
}

/** A refusal that is about this machine, not about the files. */
export function hostFailure({ reply }: FilesRefused): TspodError | undefined {
  const { call, errno, message } = reply;
  const isHost = ["clone3", "unshare", "uid_map", "gid_map", "newuidmap", "newgidmap"];
  return isHost.includes(call) ? describeFailure({ call, detail: message, errno }) : undefined;
}
