/**
 * The layer verbs of the helper: unpack a tar, remove trees, inside the user namespace that will run them. Their one line
 * of JSON comes back as data or as a TspodError. It knows no registry and no compression: it is given plain tar bytes.
 */
import { TspodError } from "../errors.ts";
import { describeFailure } from "./failure.ts";
import type { IdMapping, LayerDone, LayerRefused, LayerReply } from "./contract.ts";

/** The user namespace the work is done in; without any mapping, the caller's own. */
export interface LayerMapping {
  readonly uid: readonly IdMapping[];
  readonly gid: readonly IdMapping[];
  /** Programs that write maps of more than the caller's own id; null for the single-id fallback, or as root. */
  readonly tools: { readonly newuidmap: string; readonly newgidmap: string } | null;
}

export interface LayerVerb {
  /** Argv prefix of native verbs. */
  readonly command: readonly string[];
  readonly mapping: LayerMapping;
  readonly signal: AbortSignal;
}

export interface ApplyOptions extends LayerVerb {
  /** Absolute; exists, belongs to the caller and is empty. */
  readonly directory: string;
  /** Have it on the disk before the promise resolves. */
  readonly sync?: boolean;
}

export interface OwnerMapping {
  readonly uid: readonly IdMapping[];
  readonly gid: readonly IdMapping[];
}

/**
 * Unpack `tar`, read to its end, into a directory. On failure the directory is half-made: remove it.
 * Errors: layer.invalid (the archive), store.full, host.* and store.unwritable (this machine), whatever `tar` throws,
 * and the signal's reason.
 */
export async function applyLayer(
  options: ApplyOptions,
  tar: AsyncIterable<Uint8Array>,
): Promise<LayerDone> {
  const sync = options.sync === true ? ["--sync"] : [];
  const args = ["apply", ...mapOptions(options.mapping), "--dir", options.directory, ...sync];
  return runVerb(options, args, "unpack the layer", tar);
}

export interface RemapOptions extends LayerVerb {
  /** An empty directory. */
  readonly to: string;
  /**
   * What the layer's ids (`containerID`) are in the mapping the work is done in (`hostID`): for containers that map
   * them otherwise.
   */
  readonly owners: OwnerMapping;
  /**
   * A copy of one layer; or what an overlay of several (topmost first) shows, with most content left where it is: in
   * those, which are to be the overlay's data-only layers.
   */
  readonly from: { layer: string } | { layers: readonly string[] };
}

/** Layers once more with other owners, on the disk. On failure `to` is half-made: remove it. Errors: as applyLayer's. */
export async function remapLayers(options: RemapOptions): Promise<LayerDone> {
  const { from, to, owners, mapping } = options;
  const maps = [...mapOptions(mapping), ...ownerOptions(owners)];
  const light = "layers" in from ? ["--light"] : [];
  const layers = "layers" in from ? from.layers : [from.layer];
  const args = ["remap", ...maps, "--to", to, ...light, "--sync", ...layers];
  return runVerb(options, args, "give a layer its owners");
}

/** Give directories, and nothing in them, to an id inside the mapping. */
export async function ownDirectories(
  options: LayerVerb,
  owner: { uid: number; gid: number },
  directories: readonly string[],
): Promise<void> {
  const who = `${owner.uid}:${owner.gid}`;
  const args = ["own", ...mapOptions(options.mapping), who, ...directories];
  await runVerb(options, args, "give a directory to the container");
}

/** Give whole trees to an id inside the mapping; a single file is one too. Links are given, not followed. */
export async function giveTrees(
  options: LayerVerb,
  owner: { uid: number; gid: number },
  trees: readonly string[],
): Promise<void> {
  const who = `${owner.uid}:${owner.gid}`;
  const args = ["give", ...mapOptions(options.mapping), who, ...trees];
  await runVerb(options, args, "give a tree to the container");
}

/** The same at once: for what is small, where nobody can wait for a promise. */
export function giveTreesNow(
  { command, mapping }: LayerVerb,
  owner: { uid: number; gid: number },
  trees: readonly string[],
): void {
  const args = ["give", ...mapOptions(mapping), `${owner.uid}:${owner.gid}`, ...trees];
  const intention = "give a file to the container";
  const child = Bun.spawnSync([...command, ...args], { stderr: "ignore", env: {} });
  const reply = parseReply(child.stdout.toString());
  if (reply === undefined) throw lostHelper(intention, child.signalCode ?? child.exitCode);
  if (!reply.ok) throw describeRefusal(reply, intention);
}

/**
 * Fill `_data` in the volume's directory `home`, if it is empty, with what the layers (topmost first) have at `path`.
 * Can be killed and done again: a half-made copy is never taken for a whole one.
 */
export async function seedVolume(
  options: LayerVerb,
  what: {
    home: string;
    path: string;
    layers: readonly string[];
    /** The overlay's data-only layers, topmost first. */
    data: readonly string[];
    isDurable: boolean;
  },
): Promise<LayerDone> {
  const data = what.data.flatMap((directory) => ["--data", directory]);
  const sync = [...(what.isDurable ? ["--sync"] : []), ...data];
  const args = ["seed", ...mapOptions(options.mapping), ...sync, what.home, what.path];
  return runVerb(options, [...args, ...what.layers], "fill the volume");
}

/** Delete trees whose owners are only expressible inside the mapping. Missing ones are fine; symbolic links stay links. */
export async function removeTrees(
  options: LayerVerb,
  directories: readonly string[],
): Promise<void> {
  if (directories.length === 0) return;
  const args = ["remove", ...mapOptions(options.mapping), ...directories];
  await runVerb(options, args, "remove a directory");
}

/**
 * The same by a process of its own that nobody waits for, and that outlives us: for what is in the trash, where the next
 * command finds what it could not do.
 */
export function removeTreesLater(
  { command, mapping }: Omit<LayerVerb, "signal">,
  trees: readonly string[],
): void {
  if (trees.length === 0) return;
  try {
    const words = [...command, "remove", ...mapOptions(mapping), ...trees];
    Bun.spawn(words, { stdio: ["ignore", "ignore", "ignore"], env: {}, detached: true }).unref();
  } catch {
    // no process can be had now: the next command tries
  }
}

/** Tell the file system that what is made in these directories has nothing to do with each other: a hint, which may fail. */
export function spreadDirectories(
  command: readonly string[],
  directories: readonly string[],
): void {
  try {
    const stdio: ["ignore", "ignore", "ignore"] = ["ignore", "ignore", "ignore"];
    Bun.spawnSync([...command, "spread", ...directories], { stdio, env: {} });
  } catch {
    // the store is as good without it
  }
}

const line = ({ containerID, hostID, size }: IdMapping): string =>
  `${containerID}:${hostID}:${size}`;

function ownerOptions(owners: OwnerMapping): string[] {
  return [
    ...owners.uid.flatMap((mapping) => ["--owner-uid", line(mapping)]),
    ...owners.gid.flatMap((mapping) => ["--owner-gid", line(mapping)]),
  ];
}

export function mapOptions({ uid, gid, tools }: LayerMapping): string[] {
  return [
    ...uid.flatMap((mapping) => ["--uid-map", line(mapping)]),
    ...gid.flatMap((mapping) => ["--gid-map", line(mapping)]),
    ...(tools === null ? [] : ["--newuidmap", tools.newuidmap, "--newgidmap", tools.newgidmap]),
  ];
}

export async function runVerb(
  { command, signal }: Pick<LayerVerb, "command" | "signal">,
  args: readonly string[],
  intention: string,
  input?: AsyncIterable<Uint8Array>,
): Promise<LayerDone> {
  signal.throwIfAborted();
  const child = Bun.spawn([...command, ...args], {
    stdin: input === undefined ? "ignore" : "pipe",
    stdout: "pipe",
    stderr: "ignore",
    env: {},
  });
  const kill = (): void => child.kill("SIGKILL");
  signal.addEventListener("abort", kill, { once: true });
  const answer = child.stdout.text();
  try {
    if (input !== undefined && child.stdin !== undefined) {
      await feed(child.stdin, input, signal);
    }
    const reply = parseReply(await answer);
    await child.exited;
    signal.throwIfAborted();
    if (reply === undefined) throw lostHelper(intention, child.signalCode ?? child.exitCode);
    if (!reply.ok) throw describeRefusal(reply, intention);
    return reply;
  } catch (error) {
    kill();
    // the work may be done in a child of the helper's: it is gone when nobody holds the answer's pipe any more
    await Promise.all([answer, child.exited]);
    throw error;
  } finally {
    signal.removeEventListener("abort", kill);
  }
}

/**
 * One chunk at a time: what the helper has not taken is not asked for. When it has ended, its answer says why.
 * A broken pipe is an exception the first time; after that Bun's sink swallows everything and answers `true`.
 */
export async function feed(
  stdin: Bun.FileSink,
  input: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<void> {
  for await (const chunk of input) {
    if (signal.aborted) return;
    try {
      await stdin.write(chunk); // a promise only when the pipe is full; it rejects when it is closed
      const flushed: unknown = await stdin.flush(); // not the number it is declared to be
      if (typeof flushed !== "number") return;
    } catch {
      return; // EPIPE: it refused the rest
    }
  }
  await Promise.resolve(stdin.end()).catch(() => {}); // as above
}

/** Undefined: it ended without a whole answer. */
function parseReply(text: string): LayerReply | undefined {
  return text.endsWith("\n") ? (JSON.parse(text) as LayerReply) : undefined; // our own helper's, by the contract
}

function lostHelper(intention: string, status: string | number | null): TspodError {
  return new TspodError(
    "internal",
    `Cannot ${intention}: the helper ended without a word (${status})`,
    { next: "run the command again" },
  );
}

/** A refusal as a sentence: the archive's fault (no system call), the disk's, or the host's. */
function describeRefusal(reply: LayerRefused, intention: string): TspodError {
  const { entry, call, errno, message } = reply;
  const about = entry === "" ? "" : ` at "${entry}"`;
  const why = errno === "" ? message : `${message} (${call}: ${errno})`;
  const sentence = `Cannot ${intention}${about}: ${why}`;
  if (hostCalls.has(call)) return describeFailure({ call, detail: message, errno });
  if (errno === "ENOSPC" || errno === "EDQUOT") {
    return new TspodError("store.full", sentence, {
      next: "free some space, or set TSPOD_ROOT to a directory with room",
    });
  }
  if (errno === "") return new TspodError("layer.invalid", sentence);
  return new TspodError(archiveErrnos.has(errno) ? "layer.invalid" : "store.unwritable", sentence);
}

/** What fails before the archive is looked at: the host's user namespaces. */
const hostCalls: ReadonlySet<string> = new Set([
  "clone3",
  "unshare",
  "uid_map",
  "gid_map",
  "newuidmap",
  "newgidmap",
]);

/** What only a strange archive can provoke. */
const archiveErrnos: ReadonlySet<string> = new Set(["ENAMETOOLONG", "ELOOP", "EMLINK", "EINVAL"]);
