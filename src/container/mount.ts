/**
 * The root of a container that does not run, as a directory for reading and writing: `tspod container mount`. Two overlays
 * over one upper directory are undefined (overlayfs.rst), so it is not started as long as a session has it mounted: a lease
 * in the name of the session's first process says so, and ends with it.
 */
import { mkdirSync } from "node:fs";
import { TspodError } from "../errors.ts";
import { mountRoot, unmountLayers } from "../helper/index.ts";
import { loadMountSession } from "../image/index.ts";
import type { CreateOptions, HelperSettings } from "../spec/index.ts";
import { containerDirectory, isUp, readState } from "../store/containers.ts";
import { transact } from "../store/database.ts";
import { dropLeasesOf, keepLeaseFor, leasesOf } from "../store/leases.ts";
import { claimContainer } from "./claim.ts";
import type { ContainerContext } from "./context.ts";
import { readContainerFile } from "./files.ts";
import type { Container } from "./find.ts";

export interface MountedContainer {
  id: string;
  path: string;
}

type Root = HelperSettings["rootfs"];

/**
 * Idempotent: the path. What is a directory anyway is named, mounted or not. Errors: usage where nothing may be mounted,
 * container.running, container.not_found, files.refused, host.*.
 */
export async function mountContainer(
  context: ContainerContext,
  container: Container,
): Promise<string> {
  const { database, paths, helper: command, signal } = context;
  const { id, name } = container;
  const root = readContainerFile<HelperSettings>(context, id, "helper.json").rootfs;
  const plain = plainDirectory(context, container, root);
  if (plain !== null) return plain;
  const session = await loadMountSession();
  session.requireRight("mount", "container", name);
  const findMounted = async (): Promise<string | undefined> =>
    (await listMounted(context)).find((one) => one.id === id)?.path;
  const before = await findMounted();
  if (before !== undefined) return before;
  const overlay = requireOverlay(container, root);
  const claim = await claimContainer(context, container, { patient: true, passesMounts: true });
  if (claim === null) throw gone(name);
  using _ = claim;
  if (isUp(readState(paths, id))) throw itRuns(name);
  const meanwhile = await findMounted(); // by another command of this session
  if (meanwhile !== undefined) return meanwhile;
  const owner = session.sessionIdentity();
  const keep = (): void => {
    dropLeasesOf(database, owner, [`keep:root:${id}`]); // of one that was killed before it was mounted
    keepLeaseFor(database, owner, `keep:root:${id}`);
  };
  transact(database, keep, { durable: false });
  session.removeDeadSessions(paths.data);
  const path = session.mountPoint(paths.data, owner, `${prefix}${id}`);
  mkdirSync(path, { recursive: true, mode: 0o700 });
  try {
    await mountRoot({ command, signal }, path, overlay);
    return path;
  } catch (error) {
    // what was to tell that it is mounted may have been killed
    if ((await findMounted()) !== undefined) await unmountLayers({ command, signal }, path);
    session.removeEmpty(path);
    letGo(context, owner, id);
    throw error;
  }
}

/** False: it is not mounted here, nor is it held by a mount or an unmount of this session that was killed. */
export async function unmountContainer(context: ContainerContext, id: string): Promise<boolean> {
  const { database, helper: command, signal } = context;
  const session = await loadMountSession();
  const owner = session.sessionIdentity();
  const mounted = (await listMounted(context)).filter((one) => one.id === id);
  for (const { path } of mounted) {
    await unmountLayers({ command, signal }, path);
    session.removeEmpty(path);
  }
  const isHeld = leasesOf(database, owner, "keep:root:").includes(id);
  if (isHeld) letGo(context, owner, id);
  return isHeld || mounted.length > 0;
}

/** Those of the caller's mount namespace. */
export async function listMounted({
  paths,
}: Pick<ContainerContext, "paths">): Promise<MountedContainer[]> {
  const { listMountPoints } = await loadMountSession();
  return listMountPoints(paths.data).flatMap((path) => {
    const id = /\/root-([0-9a-f]{64})$/.exec(path)?.[1];
    return id === undefined ? [] : [{ id, path }];
  });
}

/** Images' have their bare ids. */
const prefix = "root-";

function letGo({ database }: ContainerContext, owner: string, id: string): void {
  transact(database, () => dropLeasesOf(database, owner, [`keep:root:${id}`]), { durable: false });
}

/** Without an overlay it is there for everybody to see: a directory of the host's, or a copy once it was started. */
function plainDirectory(
  { paths }: ContainerContext,
  { id, options, state }: Container,
  { kind }: Root,
): string | null {
  if (kind === "directory") return (options as CreateOptions).rootfs?.directory ?? null; // create recorded it
  return kind === "copy" && state.status !== "created"
    ? `${containerDirectory(paths, id)}/rootfs`
    : null;
}

function requireOverlay(
  { name, state }: Container,
  root: Root,
): Extract<Root, { kind: "overlay" }> {
  if (isUp(state)) throw itRuns(name);
  if (root.kind === "overlay" && root.inMemory !== true) return root;
  const why = {
    copy: "its root is a copy that its first start makes",
    directory: "its root is a directory",
    overlay: "what it writes is kept in memory while it runs",
    "fuse-overlayfs": "its root is shown by fuse-overlayfs, for as long as it runs",
  }[root.kind];
  throw new TspodError("files.refused", `Cannot mount the root of "${name}": ${why}`, {
    next: `tspod cp ${name}:/ DIRECTORY copies it`,
  });
}

function itRuns(name: string): TspodError {
  const why = "it runs, and its root is in a mount namespace of its own";
  return new TspodError("container.running", `Cannot mount the root of "${name}": ${why}`, {
    next: `use tspod exec or tspod cp, or stop it first: tspod stop ${name}`,
  });
}

function gone(name: string): TspodError {
  return new TspodError("container.not_found", `Container "${name}" has been removed`, {
    next: "tspod ps -a lists those that are left",
  });
}
