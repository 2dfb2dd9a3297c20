/** All mounts that a command line asks for together: no two at one place. */
import { TspodError } from "../../errors.ts";
import type { CreateOptions, VolumeMount } from "../../spec/index.ts";
import { requireLocalDriver } from "../volume/driver.ts";
import { parseMount } from "./mount.ts";
import { imageVolumeWords, type MountFlags } from "./mounts.ts";
import { parseTmpfs, parseVolume } from "./volume.ts";

/** Throws usage, volume.invalid, volume.source_missing. */
export function parseMounts(
  flags: MountFlags,
): Pick<CreateOptions, "mounts" | "volumesFrom" | "imageVolume"> {
  if (flags.volumeDriver !== null) requireLocalDriver(flags.volumeDriver);
  const mounts = [
    ...flags.volume.map((text) => parseVolume(text)),
    ...flags.mount.flatMap((text) => parseMount(text)),
    ...flags.tmpfs.map((text) => parseTmpfs(text)),
  ];
  refuseDuplicates(mounts);
  const imageVolume = parseImageVolume(flags.imageVolume);
  return {
    mounts,
    ...(flags.volumesFrom.length === 0
      ? {}
      : { volumesFrom: flags.volumesFrom.flatMap((text) => text.split(/,(?=[^:,]+(?::|,|$))/)) }),
    ...(imageVolume === null ? {} : { imageVolume }),
  };
}

/** docker's word for it. */
function refuseDuplicates(mounts: readonly VolumeMount[]): void {
  const seen = new Set<string>();
  for (const { destination } of mounts) {
    if (seen.has(destination)) {
      throw new TspodError("usage", `Duplicate mount point "${destination}"`, {
        next: "mount one thing at a place: leave one of them away",
      });
    }
    seen.add(destination);
  }
}

/** "bind" is podman's older word for anonymous volumes. */
function parseImageVolume(text: string | null): NonNullable<CreateOptions["imageVolume"]> | null {
  if (text === null) return null;
  const word = imageVolumeWords.find((one) => one === text);
  if (word !== undefined) return word === "bind" ? "anonymous" : word;
  throw new TspodError("usage", `Invalid --image-volume "${text}"`, {
    next: "use one of: anonymous, tmpfs, ignore",
  });
}
