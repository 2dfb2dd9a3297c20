/** What -v, --mount, --tmpfs and their kind become in config.json, and where among the other mounts. Pure. */
import type { HelperConfig } from "../helper/contract.ts";
import type { Mount } from "../oci/runtime-spec.ts";
import type { ImageMount, OverlayMount, VolumeMount } from "./options.ts";

interface Place {
  containerDir: string;
  volumeDirectory: (name: string) => string;
}

/**
 * A mount of the user's stands in for ours of the same destination, at the same place in the order. Those that are his
 * alone come last, so that what is deeper is mounted later.
 */
export function withUserMounts(
  ours: readonly Mount[],
  asked: readonly VolumeMount[],
  place: Place,
): Mount[] {
  if (asked.length === 0) return [...ours];
  const theirs = new Map(
    asked.map((mount, index) => [mount.destination, userMount(mount, index, place)]),
  );
  const replaced = ours.map((mount) => theirs.get(mount.destination) ?? mount);
  const known = new Set(ours.map(({ destination }) => destination));
  const others = [...theirs.values()].filter(({ destination }) => !known.has(destination));
  // a file of ours lies in a directory of the user's, when he mounts one there
  const isBelow = (mount: Mount): boolean =>
    others.some(({ destination }) => mount.destination.startsWith(`${destination}/`));
  const below = replaced.filter(isBelow);
  const above = replaced.filter((mount) => !isBelow(mount));
  return [...above, ...[...others, ...below].toSorted((a, b) => depth(a) - depth(b))];
}

const depth = ({ destination }: Mount): number => destination.split("/").length;

/** Where an overlay that is thrown away keeps what was written: made with the container. */
export const overlayName = (index: number): string => `overlay-${index}`;

/** Mounts that need directories of their own in the container's. */
export function needsOverlay(mount: VolumeMount): boolean {
  if (mount.kind === "overlay") return mount.upper === undefined;
  return mount.kind === "image";
}

function userMount(mount: VolumeMount, index: number, place: Place): Mount {
  const { destination, options } = mount;
  switch (mount.kind) {
    case "tmpfs":
      return temporary(destination, options);
    case "ramfs":
      return {
        destination,
        type: "ramfs",
        source: "ramfs",
        options: ["nosuid", "nodev", ...options],
      };
    case "devpts": {
      const usual = ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"];
      return { destination, type: "devpts", source: "devpts", options: [...usual, ...options] };
    }
    case "overlay":
    case "image":
      return overlay(mount, `${place.containerDir}/${overlayName(index)}`);
    case "bind":
      return bind(destination, mount.source, options);
    case "volume":
      if (mount.memory !== undefined) return temporary(destination, [...mount.memory, ...options]);
      return bind(destination, mount.device ?? place.volumeDirectory(mount.source), options);
  }
}

function temporary(destination: string, options: readonly string[]): Mount {
  const usual = ["nosuid", "nodev", "noexec"];
  return { destination, type: "tmpfs", source: "tmpfs", options: [...usual, ...options] };
}

function bind(destination: string, source: string, options: readonly string[]): Mount {
  const propagates = options.some((option) => /^r?(private|shared|slave|unbindable)$/.test(option));
  const reach = options.includes("bind") ? [] : ["rbind"];
  return {
    ...{ destination, type: "bind", source },
    options: [...reach, ...(propagates ? [] : ["rprivate"]), "nosuid", "nodev", ...options],
  };
}

/** `own`: a directory with upper/ and work/, and empty/, for one layer alone is no overlay. */
function overlay(mount: OverlayMount | ImageMount, own: string): Mount {
  const lower = mount.kind === "overlay" ? [mount.source] : (mount.layers ?? []);
  const isWritable = mount.kind === "overlay" || mount.isWritable;
  const upper = mount.kind === "overlay" ? (mount.upper ?? `${own}/upper`) : `${own}/upper`;
  const work = mount.kind === "overlay" ? (mount.work ?? `${own}/work`) : `${own}/work`;
  const layers = isWritable ? lower : [...lower, `${own}/empty`];
  return {
    ...{ destination: mount.destination, type: "overlay", source: "overlay" },
    options: [
      `lowerdir=${layers.map(escaped).join(":")}`,
      ...(isWritable ? [`upperdir=${upper}`, `workdir=${work}`] : ["ro"]),
      ...["userxattr", "nosuid", "nodev"],
      ...mount.options,
    ],
  };
}

/** overlayfs splits its list at colons (Documentation/filesystems/overlayfs.rst). */
const escaped = (path: string): string => path.replace(/[\\:]/g, (character) => `\\${character}`);

export function mountSubpaths(mounts: readonly VolumeMount[]): Pick<HelperConfig, "mountSubpaths"> {
  const entries = mounts.flatMap((mount) =>
    (mount.kind === "volume" || mount.kind === "image") && mount.subpath !== undefined
      ? [[mount.destination, mount.subpath] as const]
      : [],
  );
  return entries.length === 0 ? {} : { mountSubpaths: Object.fromEntries(entries) };
}
