/**
 * Makes a container: files first, then the row, and the row's name is the only thing two creators can fight for.
 * A half-made directory is named after its creator, so recovery knows whom to ask.
 */
import { SQLiteError } from "bun:sqlite";
import { chmodSync, mkdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { TspodError } from "../errors.ts";
import type { RootfsChoice } from "../host/index.ts";
import { builtinName, type EnsureOptions, ensureImage, type StoredImage } from "../image/index.ts";
import { syncDirectory, writeFileAtomic } from "../lib/atomic-file.ts";
import { ownIdentity } from "../lib/process-identity.ts";
import { buildSpec, type BuiltSpec, type CreateOptions } from "../spec/index.ts";
import {
  containerDirectory,
  type ContainerRecord,
  insertContainer,
  runtimeDirectory,
} from "../store/containers.ts";
import { transact } from "../store/database.ts";
import { layerTree } from "../store/layers.ts";
import type { Paths } from "../store/paths.ts";
import { ensureVolume, volumeDirectory } from "../store/volumes.ts";
import type { ContainerContext } from "./context.ts";
import { generateId, generateName } from "./names.ts";

/** Enough draws that only a store full of every name fails. */
const nameDrawsMax = 50;

/** The record of a new container, ready to start. Errors: image.*, registry.*, container.name_in_use, usage. */
export async function createContainer(
  context: ContainerContext,
  options: CreateOptions,
  ensure: EnsureOptions = {},
): Promise<ContainerRecord> {
  const { rootfs } = context; // first: where no container can run, nothing need be downloaded
  const image = await ensureImage(context, options.image, ensure);
  const id = generateId();
  for (let draw = 1; ; draw++) {
    const name = options.name ?? generateName();
    try {
      return place(context, options, image, { id, name, rootfs });
    } catch (error) {
      if (!isNameTaken(error)) throw error;
      if (options.name === null && draw < nameDrawsMax) continue;
      throw new TspodError("container.name_in_use", `The name "${name}" is in use`, {
        next: `remove that container: tspod rm ${name}, or use another name`,
      });
    }
  }
}

function isNameTaken(error: unknown): boolean {
  return error instanceof SQLiteError && (error.code ?? "").startsWith("SQLITE_CONSTRAINT");
}

function place(
  context: ContainerContext,
  options: CreateOptions,
  image: StoredImage,
  { id, name, rootfs }: { id: string; name: string; rootfs: RootfsChoice },
): ContainerRecord {
  const { paths } = context;
  const containerDir = containerDirectory(paths, id);
  for (const sentence of options.limits?.ignored ?? []) context.warn(sentence);
  const built = buildSpec(image.config, withStartTime(options, image), context.host, {
    id,
    name,
    containerDir,
    runtimeDir: runtimeDirectory(paths, id),
    trashDir: paths.trash,
    layers: image.layers.map((chain) => layerTree(paths, chain)),
    rootfs,
    volumeDirectory: (volume) => volumeDirectory(paths, volume),
  });
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
    creator: ownIdentity(),
  };
  for (const mount of options.mounts) {
    if (mount.kind === "volume") ensureVolume(context, mount.source);
  }
  const temporary = `${paths.containers}/.tmp.${record.creator}.${id.slice(0, 12)}`;
  // a container that dies with its command need not survive a power cut
  const durable = !options.autoRemove;
  try {
    writeFiles(temporary, built, { durable, rootMode: topMode(image, paths) });
    transact(
      context.database,
      () => {
        requireImage(context, image, options.image); // rmi may have been faster
        insertContainer(context.database, record);
        renameSync(temporary, containerDir);
      },
      { durable },
    );
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true });
    throw error;
  }
  if (durable) syncDirectory(paths.containers);
  return record;
}

/** The built-in image's program tells how long all of it took: this process began then (ms since 1970). */
function withStartTime(options: CreateOptions, image: StoredImage): CreateOptions {
  if (image.reference !== builtinName) return options;
  const start = `TSPOD_START_MS=${Math.floor(performance.timeOrigin)}`;
  return { ...options, environment: [start, ...options.environment] };
}

function requireImage({ database }: ContainerContext, image: StoredImage, name: string): void {
  if (database.query("SELECT 1 FROM image WHERE id = ?").get(image.id) !== null) return;
  throw new TspodError("image.not_found", `Image "${name}" has just been removed`, {
    next: `tspod pull ${name}`,
  });
}

/** The upper directory is what "/" looks like in the container: its mode is the image's. */
function topMode(image: StoredImage, paths: Paths): number {
  const [top] = image.layers;
  return top === undefined ? 0o755 : statSync(layerTree(paths, top)).mode & 0o7777;
}

function writeFiles(
  directory: string,
  built: BuiltSpec,
  { durable, rootMode }: { durable: boolean; rootMode: number },
): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  for (const name of ["rootfs", "upper", "work"]) mkdirSync(`${directory}/${name}`, 0o700);
  chmodSync(`${directory}/upper`, rootMode);
  for (const [name, text] of Object.entries(built.files)) {
    writeFileSync(`${directory}/${name}`, text, { mode: 0o644 });
  }
  const write = durable
    ? (path: string, text: string) => writeFileAtomic(path, text, { durable })
    : (path: string, text: string) => writeFileSync(path, text, { mode: 0o600 });
  write(`${directory}/config.json`, JSON.stringify(built.config));
  write(`${directory}/helper.json`, JSON.stringify(built.helper));
}
