/** What lies in a container's directory when it is made, and how it gets there. */
import { chmodSync, existsSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { syncTogether } from "../lib/atomic-file.ts";
import { formatRuntimeSpec } from "../oci/config-json.ts";
import { type BuiltSpec, needsOverlay, overlayName, type VolumeMount } from "../spec/index.ts";
import { logPath } from "../store/database.ts";
import type { ContainerContext } from "./context.ts";

export const rootDirectories = ["rootfs", "upper", "work"];

export function writeFiles(directory: string, built: BuiltSpec, rootMode: number): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  for (const name of rootDirectories) mkdirSync(`${directory}/${name}`, 0o700);
  chmodSync(`${directory}/upper`, rootMode);
  for (const [name, text] of Object.entries(built.files)) {
    writeFileSync(`${directory}/${name}`, text, { mode: 0o644 });
  }
  for (const [name, value] of Object.entries(documents(built))) {
    const text = name === "config.json" ? formatRuntimeSpec(built.config) : JSON.stringify(value);
    writeFileSync(`${directory}/${name}`, text, { mode: 0o600 });
  }
}

/** What says who it is on its networks. */
export function rewriteFiles(directory: string, { files, helper }: BuiltSpec): void {
  if (files.hosts !== undefined) writeFileSync(`${directory}/hosts`, files.hosts);
  writeFileSync(`${directory}/helper.json`, JSON.stringify(helper));
}

/** Directories that overlays of the user's need, made in the container's. */
export function makeOverlays(directory: string, mounts: readonly VolumeMount[]): string[] {
  return mounts.flatMap((mount, index) => {
    if (!needsOverlay(mount)) return [];
    const source =
      mount.kind === "overlay"
        ? mount.source
        : mount.kind === "image"
          ? mount.layers?.[0]
          : undefined;
    const mode = source === undefined ? 0o755 : statSync(source).mode & 0o7777;
    const own = `${directory}/${overlayName(index)}`;
    const made = ["upper", "work", "empty"].map((name) => `${own}/${name}`);
    for (const path of made) mkdirSync(path, { recursive: true, mode: 0o755 });
    chmodSync(`${own}/upper`, mode);
    return [own, ...made];
  });
}

/**
 * The files first: the disk is never asked to keep a row without them. Somebody may have removed the container already:
 * then there is nothing to keep.
 */
export async function syncContainer(
  { paths, database }: ContainerContext,
  directory: string,
  built: BuiltSpec,
): Promise<void> {
  const names = Object.keys(documents(built)).map((name) => `${directory}/${name}`);
  try {
    await syncTogether([...names, directory]);
  } catch (error) {
    if (!existsSync(directory)) return;
    throw error;
  }
  await syncTogether([paths.containers, logPath(database) ?? []].flat());
}

function documents({ config, helper, health, startup }: BuiltSpec) {
  return {
    "config.json": config,
    "helper.json": helper,
    ...(health === undefined ? {} : { "health-exec.json": health }),
    ...(startup === undefined ? {} : { "startup-exec.json": startup }),
  };
}
