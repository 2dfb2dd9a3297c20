/** What is mounted with U belongs to whoever the container runs as, when it is created. */
import { TspodError } from "../errors.ts";
import { giveTrees } from "../helper/index.ts";
import { ownId } from "../host/index.ts";
import type { StoredImage } from "../image/index.ts";
import type { VolumeMount } from "../spec/index.ts";
import { volumeDirectory } from "../store/volumes.ts";
import type { ContainerContext } from "./context.ts";
import type { Setting } from "./setting.ts";
import { imageUser } from "./user.ts";

/** Throws usage (a user that the image does not know, files that are not the caller's), store.*. */
export async function giveMounts(
  context: ContainerContext,
  mounts: readonly VolumeMount[],
  setting: Setting,
  image: StoredImage,
): Promise<void> {
  const { paths, helper: command, mapping, signal } = context;
  const user = imageUser(context, setting, image);
  const owner = { uid: ownOf(setting, "uid", user.uid), gid: ownOf(setting, "gid", user.gid) };
  const trees = mounts.flatMap((mount) => {
    if (!("givesAway" in mount)) return [];
    if (mount.kind === "bind") return [mount.source];
    return [
      mount.kind === "volume" && mount.device === undefined
        ? volumeDirectory(paths, mount.source)
        : mount.source,
    ];
  });
  await giveTrees({ command, mapping, signal }, owner, trees);

  function ownOf({ host }: Setting, kind: "uid" | "gid", id: number): number {
    const line = host.mapping[kind].find(
      ({ containerID, size }) => id >= containerID && id < containerID + size,
    );
    const own = line && ownId(mapping[kind], line.hostID + (id - line.containerID));
    if (own !== undefined) return own;
    throw new TspodError(
      "usage",
      `Cannot give a mount to the ${kind} ${id}: no id of yours is that inside`,
      {
        next: "get more ids in /etc/subuid and /etc/subgid, or leave U away",
      },
    );
  }
}
