/**
 * Makes a container: files first, then the row, and the row's name is the only thing two creators can fight for.
 * A half-made directory is named after its creator, so recovery knows whom to ask.
 */
import { SQLiteError } from "bun:sqlite";
import { mkdirSync, renameSync, statSync } from "node:fs";
import { TspodError } from "../errors.ts";
import { ownDirectories } from "../helper/index.ts";
import type { RootfsChoice } from "../host/index.ts";
import { builtinName, type EnsureOptions, ensureImage, type StoredImage } from "../image/index.ts";
import { ownIdentity } from "../lib/process-identity.ts";
import { processStartedMs } from "../lib/started.ts";
import {
  buildSpec,
  type CreateOptions,
  joinedContainer,
  networkUses,
  type SpecPlace,
} from "../spec/index.ts";
import {
  containerDirectory,
  type ContainerRecord,
  findContainers,
  insertContainer,
  readState,
  runtimeDirectory,
} from "../store/containers.ts";
import { markNew } from "../store/at-rest.ts";
import { transact } from "../store/database.ts";
import { layerTree } from "../store/layers.ts";
import type { Paths } from "../store/paths.ts";
import { volumeDirectory } from "../store/volumes.ts";
import type { ContainerContext } from "./context.ts";
import { recordContainerEvent } from "./events.ts";
import { readImageFile } from "./image-file.ts";
import {
  makeOverlays,
  rewriteFiles,
  rootDirectories,
  syncContainer,
  writeFiles,
} from "./made-files.ts";
import { networkTool, settleNetwork } from "./network.ts";
import { generateId, generateName, nameInUse } from "./names.ts";
import type { SettledMounts } from "./mounts.ts";
import { discardContainer, emptyTrash, removeContainer } from "./remove.ts";
import { placeSecrets, secretsPlace, settleSecrets } from "./secrets.ts";
import { type Setting, usualSetting } from "./setting.ts";

/** Enough draws that only a store full of every name fails. */
const nameDrawsMax = 50;

export interface CreateHow extends EnsureOptions {
  /** It waits for whoever starts it; otherwise the caller is about to, and it goes with the caller until then. */
  isKept?: boolean;
  /** A container of that name is removed first. */
  replaces?: boolean;
}

export interface Created {
  record: ContainerRecord;
  /** The disk has it: to be waited for before anybody is told of the container. */
  written: Promise<void>;
}

/** The record of a new container, ready to start. Errors: image.*, registry.*, container.name_in_use, usage. */
export async function createContainer(
  context: ContainerContext,
  asked: CreateOptions,
  how: CreateHow = {},
): Promise<Created> {
  void context.rootfs; // first: where no container can run, nothing need be downloaded
  const options =
    networkUses(asked.network) === null
      ? asked
      : (await import("./networks.ts")).requireNetworks(context, asked);
  const image = await imageFor(context, options, how);
  try {
    return await createFrom(context, options, image, how);
  } catch (error) {
    // rmi may have been faster: whatever was missing then, that is what is wrong
    if (options.rootfs === undefined) requireImage(context, image, options.image);
    if (!isOfLayer(context, error)) throw error;
    return await createFrom(context, options, image, how); // it is here again: somebody has pulled it meanwhile
  }
}

function isOfLayer({ paths }: ContainerContext, error: unknown): boolean {
  const { code, path = "" } = error as { code?: string; path?: string };
  return code === "ENOENT" && path.startsWith(paths.layers);
}

async function createFrom(
  context: ContainerContext,
  options: CreateOptions,
  image: StoredImage,
  how: CreateHow,
): Promise<Created> {
  const { rootfs } = context;
  await using kept = new AsyncDisposableStack();
  const isShared = options.namespaces !== undefined || joinedContainer(options) !== null;
  const setting = !isShared
    ? usualSetting(context, options, image)
    : await settled(context, options, image, kept.use(new DisposableStack()));
  const mounts = hasMounts(options, image)
    ? await settleMounts(context, setting, image, kept)
    : null;
  setting.options = await settleNetwork(context, setting.options, image);
  if (mounts !== null) setting.options = { ...setting.options, mounts: mounts.mounts };
  if (options.details?.accounts) {
    const { accountFiles } = await import("./asked-accounts.ts");
    setting.files = accountFiles(context, setting, image, options.details.accounts);
  }
  if (options.secrets !== undefined) {
    setting.options = { ...setting.options, secrets: settleSecrets(context, options.secrets) };
  }
  if (options.requires !== undefined) {
    const { settleRequired } = await import("./requires.ts");
    const requires = settleRequired(context, options.requires, options.name);
    setting.options = { ...setting.options, requires };
  }
  if (how.replaces === true && options.name !== null) await removeNamed(context, options.name);
  const id = generateId();
  const creator = how.isKept === true ? "" : ownIdentity();
  for (let draw = 1; ; draw++) {
    const name = options.name ?? generateName();
    try {
      const what = { id, name, creator, rootfs, mounts };
      return await place(context, setting, image, what);
    } catch (error) {
      if (!isNameTaken(error)) throw error;
      if (options.name === null && draw < nameDrawsMax) continue;
      throw nameInUse(name);
    }
  }
}

async function imageFor(
  context: ContainerContext,
  options: CreateOptions,
  ensure: EnsureOptions,
): Promise<StoredImage> {
  if (options.rootfs === undefined) return ensureImage(context, options.image, ensure);
  return (await import("./directory-root.ts")).imageOfDirectory();
}

async function isInMemory(context: ContainerContext, options: CreateOptions): Promise<boolean> {
  if (options.rootfs === undefined) return false;
  mkdirSync(context.paths.containers, { recursive: true, mode: 0o700 });
  return (await import("./directory-root.ts")).staysInMemory(context, options.rootfs);
}

async function settled(
  context: ContainerContext,
  options: CreateOptions,
  image: StoredImage,
  kept: DisposableStack,
): Promise<Setting> {
  const { settleNamespaces } = await import("./namespaces.ts");
  return settleNamespaces(context, options, image, kept);
}

/** When nothing but its name can be in the way any more. */
async function removeNamed(context: ContainerContext, name: string): Promise<void> {
  const found = findContainers(context.database, name).find((record) => record.name === name);
  if (found === undefined) return;
  const container = { ...found, state: readState(context.paths, found.id) };
  await removeContainer(context, container, { force: true });
}

function hasMounts({ mounts, volumesFrom }: CreateOptions, { config }: StoredImage): boolean {
  return mounts.length > 0 || volumesFrom !== undefined || config.volumes.length > 0;
}

async function settleMounts(
  context: ContainerContext,
  setting: Setting,
  image: StoredImage,
  kept: AsyncDisposableStack,
): Promise<SettledMounts> {
  return (await import("./mounts.ts")).settleMounts(context, setting, image, kept);
}

function isNameTaken(error: unknown): boolean {
  return error instanceof SQLiteError && (error.code ?? "").startsWith("SQLITE_CONSTRAINT");
}

async function place(
  context: ContainerContext,
  setting: Setting,
  image: StoredImage,
  what: {
    id: string;
    name: string;
    creator: string;
    rootfs: RootfsChoice;
    mounts: SettledMounts | null;
  },
): Promise<Created> {
  const { paths } = context;
  const { id, name, creator, rootfs, mounts } = what;
  const { options, host, layers, data, user, files, joined } = setting;
  const containerDir = containerDirectory(paths, id);
  const sentences = [
    ...(options.limits?.ignored ?? []),
    ...(options.setup?.warnings ?? []),
    ...(options.networking?.warnings ?? []),
  ];
  for (const sentence of sentences) context.warn(sentence);
  const plan =
    networkUses(options.network) === null
      ? null
      : (await import("./networks.ts")).planNetworks(context, id, options);
  const specPlace: SpecPlace = {
    id,
    name,
    containerDir,
    runtimeDir: runtimeDirectory(paths, id),
    trashDir: paths.trash,
    atRestDir: paths.atRest,
    seccompCache: paths.seccomp,
    events: paths.events,
    ...{ layers, rootfs, isInMemory: await isInMemory(context, options) },
    ...(data === undefined ? {} : { data }),
    ...(user === undefined ? {} : { user }),
    ...(files === undefined ? {} : { files }),
    ...(joined === undefined ? {} : { joined }),
    ...(await networkTool(context, options, runtimeDirectory(paths, id))),
    volumeDirectory: (volume) => volumeDirectory(paths, volume),
    ...(options.details?.hosts === "image"
      ? { imageHosts: readImageFile(paths, image.layers, "etc/hosts") }
      : {}),
    ...(options.secrets === undefined ? {} : { secretsDir: secretsPlace(paths, id) }),
    ...(plan === null ? {} : { networks: plan.placed }),
  };
  const timed = withStartTime(options, image);
  const built = buildSpec(image.config, timed, host, specPlace);
  const record: ContainerRecord = {
    id,
    name,
    imageId: image.id,
    imageName: options.image,
    command: built.config.process.args,
    labels: { ...image.config.labels, ...options.labels },
    options,
    autoRemove: options.autoRemove,
    createdAt: context.now(),
    creator,
  };
  const temporary = `${paths.containers}/.tmp.${ownIdentity()}.${id.slice(0, 12)}`;
  // a container that dies with its command need not survive a power cut
  const durable = !options.autoRemove;
  try {
    writeFiles(temporary, built, topMode(options, image, paths));
    const overlays = mounts === null ? [] : makeOverlays(temporary, mounts.mounts);
    if (setting.root !== undefined) {
      const fresh = [...(mounts?.claimed.fresh ?? [])].map((one) => volumeDirectory(paths, one));
      await giveAway(context, setting.root, temporary, { overlays, volumes: fresh });
    }
    if (mounts !== null) await finishMounts(context, mounts, setting, image);
    transact(
      context.database,
      () => {
        if (options.rootfs === undefined) requireImage(context, image, options.image); // rmi may have been faster
        insertContainer(context.database, record);
        mounts?.claimed.insert(id);
        plan?.insert((networks) => {
          const again = buildSpec(image.config, timed, host, { ...specPlace, networks });
          rewriteFiles(temporary, again);
        });
        if (creator === "" && !options.autoRemove) markNew(paths, id);
        renameSync(temporary, containerDir);
      },
      { durable: false }, // so far
    );
  } catch (error) {
    await emptyTrash(context, [temporary]);
    throw error;
  }
  const written = durable ? syncContainer(context, containerDir, built) : Promise.resolve();
  written.catch(() => undefined); // told to whoever waits for it
  try {
    placeSecrets(context, record);
  } catch (error) {
    await discardContainer(context, record);
    throw error;
  }
  recordContainerEvent(context, "create", record, record.labels);
  return { record, written };
}

/**
 * What will be "/" in the container belongs to its root, who is one of the caller's subordinate ids here; a new volume
 * only where the caller is nobody inside.
 */
async function giveAway(
  { helper: command, mapping, signal }: ContainerContext,
  root: NonNullable<Setting["root"]>,
  directory: string,
  { overlays, volumes }: { overlays: readonly string[]; volumes: readonly string[] },
): Promise<void> {
  const own = [...rootDirectories.map((name) => `${directory}/${name}`), ...overlays];
  const directories = [...own, ...(root.isCallerMapped ? [] : volumes)];
  await ownDirectories({ command, mapping, signal }, root, directories);
}

async function finishMounts(
  context: ContainerContext,
  mounts: SettledMounts,
  setting: Setting,
  image: StoredImage,
): Promise<void> {
  const { fillVolumes } = await import("./mounts.ts");
  await fillVolumes(context, mounts, setting);
  if (!mounts.mounts.some((mount) => "givesAway" in mount)) return;
  await (await import("./given-mounts.ts")).giveMounts(context, mounts.mounts, setting, image);
}

/** The built-in image's program tells how long all of it took: this process began then (ms since 1970). */
function withStartTime(options: CreateOptions, image: StoredImage): CreateOptions {
  if (image.reference !== builtinName) return options;
  const start = `TSPOD_START_MS=${Math.floor(processStartedMs())}`;
  return { ...options, environment: [start, ...options.environment] };
}

function requireImage({ database }: ContainerContext, image: StoredImage, name: string): void {
  if (database.query("SELECT 1 FROM image WHERE id = ?").get(image.id) !== null) return;
  throw new TspodError("image.not_found", `Image "${name}" has just been removed`, {
    next: `tspod pull ${name}`,
  });
}

/** The upper directory is what "/" looks like in the container: its mode is the image's. */
function topMode({ rootfs }: CreateOptions, image: StoredImage, paths: Paths): number {
  if (rootfs !== undefined) return statSync(rootfs.directory).mode & 0o7777;
  const [top] = image.layers;
  return top === undefined ? 0o755 : statSync(layerTree(paths, top)).mode & 0o7777;
}
