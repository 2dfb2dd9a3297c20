/** The door of image: find, ensure, pull, list, remove. What is heavy is loaded when it is first called. */
import type { Credentials } from "../registry/index.ts";
import type { StoredImage } from "../store/images.ts";
import { hasLeases } from "../store/leases.ts";
import type { MappedLayers, MappedOptions } from "./mapped.ts";
import type { ImageContext } from "./context.ts";
import type { PullOptions } from "./pull.ts";
import type { RemovedImage, RemoveOptions } from "./remove.ts";

export type { ImageContext } from "./context.ts";
export type { LayerPhase, PullEvent } from "./events.ts";
export type { ImageName, ImageRecord, StoredImage } from "../store/images.ts";
export type { PullOptions } from "./pull.ts";
export type { RemovedImage, RemoveOptions } from "./remove.ts";
export { type EnsureOptions, ensureImage, type PullPolicy } from "./ensure.ts";
export { builtinName, findImage, getImage, inspectImage, listImages } from "./find.ts";

export async function pullImage(
  context: ImageContext,
  text: string,
  options: PullOptions = {},
): Promise<StoredImage> {
  return (await import("./pull.ts")).pullImage(context, text, options);
}

export async function removeImage(
  context: ImageContext,
  text: string,
  options: RemoveOptions = {},
): Promise<RemovedImage> {
  return (await import("./remove.ts")).removeImage(context, text, options);
}

export async function ensureBuiltin(
  context: ImageContext,
  program: Uint8Array,
): Promise<StoredImage> {
  return (await import("./builtin.ts")).ensureBuiltin(context, program);
}

export type { LayerOwners } from "./context.ts";
export type { MappedLayers, MappedOptions } from "./mapped.ts";

/** For containers that map ids otherwise than the store. */
export async function ensureMappedLayers(
  context: ImageContext,
  image: StoredImage,
  options: MappedOptions,
): Promise<MappedLayers> {
  return (await import("./mapped.ts")).ensureMappedLayers(context, image, options);
}

/** Whoever changes content holds leases while at it: without any there is nothing to recover. */
export async function recoverContent(context: ImageContext): Promise<void> {
  if (!hasLeases(context.database)) return;
  return (await import("./recover.ts")).recoverContent(context);
}

/** The tar inside of a compressed stream, or the stream itself. */
export async function* decompress(
  source: AsyncIterable<Uint8Array>,
  what: string,
  { command }: { command: readonly string[] },
): AsyncGenerator<Uint8Array, void, undefined> {
  yield* (await import("./decompress.ts")).decompress(source, what, { helper: command });
}

export type { RegistryAccess } from "./access.ts";

/** Pure, but of a room that the command line does not know. */
export async function credentialsOf(username: string, secret: string): Promise<Credentials> {
  return (await import("../registry/index.ts")).credentialsOf(username, secret);
}

// what one command does is loaded with it
export type { PushOptions } from "./push.ts";
export const loadPush = () => import("./push.ts");
export type { NamedPull } from "./pull-many.ts";
export const loadPullMany = () => import("./pull-many.ts");
export type { EntryChanges } from "./manifest-list.ts";
export const loadManifestList = () => import("./manifest-list.ts");
export const loadPushList = () => import("./push-list.ts");
export type { FoundImage } from "./search.ts";
export const loadSearch = () => import("./search.ts");
export type { Referrer } from "./registry-content.ts";
export const loadRegistryContent = () => import("./registry-content.ts");
export const loadLogin = () => import("./login.ts");
export const loadImport = () => import("./import.ts");
export const loadTag = () => import("./tag.ts");
export const loadHistory = () => import("./history.ts");
export const loadSelect = () => import("./select.ts");
export const loadSaver = () => import("./archive/save.ts");
export const loadLoader = () => import("./archive/load.ts");
export const loadOpener = () => import("./archive/open.ts");
export type { MountedImage } from "./mount.ts";
export const loadMount = () => import("./mount.ts");
export const loadMountSession = () => import("./mount-session.ts");
export const loadDiff = () => import("./diff.ts");
export const loadCheck = () => import("./check.ts");
export const loadRepair = () => import("./repair.ts");
export type { CheckedContent, Fault } from "./check.ts";
export const loadImageUsage = () => import("./usage.ts");
export const loadPrune = () => import("./prune.ts");
export type { NamedImage } from "./select.ts";
export type { HistoryStep } from "./history.ts";
export type { PrunedImages } from "./prune.ts";
export type { StoredArtifact } from "./artifact/find.ts";
export const loadArtifacts = () => import("./artifact/find.ts");
export const loadArtifactAdder = () => import("./artifact/add.ts");
export const loadArtifactTransport = () => import("./artifact/pull.ts");
export const loadArtifactExtractor = () => import("./artifact/extract.ts");
