/**
 * Images as directories of the host, for reading: `tspod image mount`. A mount lives in the caller's mount namespace, which
 * inside of `tspod unshare` ends with the session, and so do our notes: what is mounted the kernel is asked, the layers are
 * kept by a lease in the name of the session's first process.
 */
import { mkdirSync, readdirSync, readFileSync, readlinkSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { TspodError } from "../errors.ts";
import { mountLayers, unmountLayers } from "../helper/index.ts";
import { bootId, isAlive, processIdentity } from "../lib/process-identity.ts";
import type { Digest } from "../oci/index.ts";
import { transact } from "../store/database.ts";
import { listImageRecords, type StoredImage } from "../store/images.ts";
import { layerTree } from "../store/layers.ts";
import { claimStrayLayers, type Orphans } from "../store/image-writes.ts";
import { dropLeasesOf, keepLeaseFor, leasesOf, type Resource } from "../store/leases.ts";
import type { ImageContext } from "./context.ts";
import { removeFiles } from "./remove.ts";

export interface MountedImage {
  readonly id: Digest;
  readonly path: string;
}

/** Idempotent: the path. Throws usage where nothing may be mounted, image.not_found, host.*. */
export async function mountImage(context: ImageContext, image: StoredImage): Promise<string> {
  requireRight("mount", hexOf(image.id).slice(0, 12));
  const { database, paths, helper: command, signal } = context;
  const { id } = image;
  const mounted = listMounted(context).find((one) => one.id === id);
  if (mounted !== undefined) return mounted.path;
  const session = sessionIdentity();
  const keep = (): readonly string[] | undefined => {
    const [record] = listImageRecords(database, id);
    for (const resource of resourcesOf(id, record?.layers ?? []))
      keepLeaseFor(database, session, resource);
    return record?.layers;
  };
  if (transact(database, keep, { durable: false }) === undefined) {
    throw new TspodError("image.not_found", `Cannot mount "${id}": it was just removed`);
  }
  removeDeadSessions(paths.data);
  const path = join(mountsOf(paths.data), directoryOf(session), hexOf(id));
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const trees = image.layers.map((chain) => layerTree(paths, chain));
  try {
    if (trees.length > 0) await mountLayers({ command, signal }, path, trees);
    return path;
  } catch (error) {
    removeEmpty(path);
    await letGo(context, session, id);
    throw error;
  }
}

/** False: it is not mounted. What nothing else needs of it, because the image is gone, goes. */
export async function unmountImage(context: ImageContext, id: Digest): Promise<boolean> {
  requireRight("unmount", hexOf(id).slice(0, 12));
  const { helper: command, signal } = context;
  const mounted = listMounted(context).filter((one) => one.id === id);
  for (const { path } of mounted) {
    await unmountLayers({ command, signal }, path);
    removeEmpty(path);
  }
  if (mounted.length > 0) await letGo(context, sessionIdentity(), id);
  return mounted.length > 0;
}

async function letGo(context: ImageContext, session: string, id: Digest): Promise<void> {
  const { database } = context;
  const work = (): Orphans => {
    const chains = leasesOf(database, session, `keep:mount:${hexOf(id)}:`);
    dropLeasesOf(database, session, resourcesOf(id, chains));
    return claimStrayLayers(database, chains);
  };
  removeFiles(context, transact(database, work, { durable: false }));
}

const hexOf = (id: Digest): string => id.replace(/^sha256:/, "");

function resourcesOf(id: Digest, layers: readonly string[]): Resource[] {
  return layers.flatMap((chain): Resource[] => [
    `keep:layer:${chain}`,
    `keep:mount:${hexOf(id)}:${chain}`,
  ]);
}

/** Those of the caller's mount namespace: its mounts are the only record. */
export function listMounted({ paths }: Pick<ImageContext, "paths">): MountedImage[] {
  const base = `${mountsOf(paths.data)}/`;
  return readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .map((line) => unescape(line.split(" ")[4] ?? ""))
    .filter((path) => path.startsWith(base))
    .flatMap((path) => {
      const hex = /\/([0-9a-f]{64})$/.exec(path)?.[1];
      return hex === undefined ? [] : [{ id: `sha256:${hex}` as Digest, path }]; // 64 hex characters
    });
}

/** proc_pid_mountinfo(5): space, tab, newline and backslash are octal. */
function unescape(text: string): string {
  const bytes = text.replace(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
  return bytes;
}

const mountsOf = (data: string): string => join(data, "mounts");

/** Whoever is not root, of a user namespace or of the host, may not mount. */
function requireRight(verb: string, what: string): void {
  if (process.getuid?.() === 0) return;
  throw new TspodError("usage", `Cannot ${verb} an image: only root of a user namespace can`, {
    next: `tspod unshare, and in it tspod image ${verb} ${what}`,
  });
}

/** The first process of those that see our mounts: with it they end, or they are the host's. */
function sessionIdentity(): string {
  const own = mountNamespace("self");
  let pid = process.pid;
  for (let parent = parentOf(pid); parent > 0 && mountNamespace(parent) === own;) {
    pid = parent;
    parent = parentOf(pid);
  }
  return processIdentity(pid);
}

function mountNamespace(pid: number | "self"): string {
  try {
    return readlinkSync(`/proc/${pid}/ns/mnt`);
  } catch {
    return ""; // somebody else's: none of ours
  }
}

function parentOf(pid: number): number {
  try {
    const parent = /^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1];
    return Number(parent ?? 0);
  } catch {
    return 0; // it ended
  }
}

/** "PID-START": a colon would end it in what -v is given. */
const directoryOf = (session: string): string => session.split(":").slice(0, 2).join("-");

/** Empty directories: their mounts ended with their sessions. */
function removeDeadSessions(data: string): void {
  for (const session of list(mountsOf(data))) {
    if (isAlive(`${session.replace("-", ":")}:${bootId()}`)) continue;
    const base = join(mountsOf(data), session);
    for (const name of list(base)) removeEmpty(join(base, name));
    removeEmpty(base);
  }
}

function removeEmpty(path: string): void {
  try {
    rmdirSync(path);
  } catch {
    // not ours, or not empty: it does no harm
  }
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return []; // none was ever mounted
  }
}
