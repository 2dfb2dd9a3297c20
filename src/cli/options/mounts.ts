/** -v, --mount, --tmpfs, --volumes-from, --image-volume: the flags. Their values are read only when somebody gives one. */
import type { CreateOptions } from "../../spec/index.ts";
import { type FlagValues, list, value } from "../flags.ts";

export const imageVolumeWords = ["anonymous", "bind", "tmpfs", "ignore"] as const;

export const mountFlags = {
  volume: list(
    "-v,--volume",
    "[SOURCE:]DESTINATION[:OPTIONS]",
    "Mount a directory or file of the host, a named volume, or a new anonymous one",
    "directory",
  ),
  mount: list(
    "--mount",
    "type=TYPE,KEY=VALUE...",
    "Mount a bind, volume, tmpfs, image, devpts, ramfs or glob, in words",
    ["type=bind,", "type=volume,", "type=tmpfs,", "type=image,", "type=devpts,", "type=glob,"],
  ),
  tmpfs: list("--tmpfs", "DESTINATION[:OPTIONS]", "Mount a file system in memory"),
  volumesFrom: list(
    "--volumes-from",
    "CONTAINER[:OPTIONS]",
    "Mount what another container has mounted",
    "container",
  ),
  imageVolume: value(
    "--image-volume",
    "KIND",
    "What the image's volumes are: anonymous, tmpfs or ignore",
    imageVolumeWords,
  ),
  volumeDriver: value("--volume-driver", "DRIVER", "Of volumes that are made: local", ["local"]),
} as const;

export type MountFlags = FlagValues<typeof mountFlags>;

type MountOptions = Pick<CreateOptions, "mounts" | "volumesFrom" | "imageVolume">;

/** Throws usage, volume.invalid, volume.source_missing. */
export async function mountOptions(flags: MountFlags): Promise<MountOptions> {
  const { volume, mount, tmpfs, volumesFrom, imageVolume, volumeDriver } = flags;
  const lists = [volume, mount, tmpfs, volumesFrom].every(({ length }) => length === 0);
  if (lists && imageVolume === null && volumeDriver === null) return { mounts: [] };
  const { parseMounts } = await import("./mount-values.ts");
  return parseMounts(flags);
}
