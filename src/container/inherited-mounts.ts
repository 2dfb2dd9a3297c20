/** Mounts that nobody wrote down for this container: the image's volumes, and those of other containers. */
import { posix } from "node:path";
import { TspodError } from "../errors.ts";
import type { CreateOptions, NamedVolumeMount, VolumeMount } from "../spec/index.ts";
import { getContainer, type Store } from "./find.ts";

/** An image is anybody's: what is no path of a container is passed over. */
export function imageVolumeMounts(
  volumes: readonly string[],
  how: NonNullable<CreateOptions["imageVolume"]>,
): VolumeMount[] {
  if (how === "ignore") return [];
  const destinations = volumes.map(toDestination).filter((path) => path !== "/");
  return destinations.map((destination) =>
    how === "tmpfs"
      ? { kind: "tmpfs", destination, options: ["mode=755", "tmpcopyup", "dev", "suid", "exec"] }
      : { kind: "volume", source: "", isAnonymous: true, destination, options: [] },
  );
}

const toDestination = (path: string): string => posix.normalize(`/${path}`).replace(/(.)\/$/, "$1");

/** "NAME[:OPTIONS]", the options being ro, rw and z. Errors: usage, container.*. */
export function mountsFrom(context: Store, text: string): VolumeMount[] {
  const [name = "", words = "", ...more] = text.split(":");
  const options = words.split(",").filter(Boolean);
  const odd = options.find((word) => !/^(ro|rw|z|Z)$/.test(word));
  if (more.length > 0 || odd !== undefined || (options.includes("ro") && options.includes("rw"))) {
    throw new TspodError("usage", `Invalid --volumes-from "${text}"`, {
      next: "use CONTAINER or CONTAINER:ro",
    });
  }
  const { mounts } = getContainer(context, name).options as CreateOptions; // create recorded it
  return mounts.filter(isShared).map((mount) => withAccess(mount, options));
}

/** Memory is each container's own. */
function isShared(mount: VolumeMount): boolean {
  return mount.kind === "bind" || mount.kind === "volume" || mount.kind === "image";
}

function withAccess(mount: VolumeMount, asked: readonly string[]): VolumeMount {
  const access = asked.find((word) => word === "ro" || word === "rw");
  const others = mount.options.filter((word) => access === undefined || !/^r?(ro|rw)$/.test(word));
  const options = access === "ro" ? [...others, "ro"] : others;
  if (mount.kind === "image")
    return { ...mount, options, isWritable: mount.isWritable && access !== "ro" };
  if (mount.kind !== "volume") return { ...mount, options };
  // what it was when it was made says nothing about this container
  const { labels: _, driverOptions: _2, memory: _3, device: _4, ...kept } = mount;
  return { ...kept, options, isNotSeeded: true } satisfies NamedVolumeMount;
}
