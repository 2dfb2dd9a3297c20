/** `tspod volume unmount`. */
import { getVolume, requireMountpoint } from "../../volume/index.ts";
import { defineCommand } from "../command.ts";
import { forEachArgument } from "../each.ts";

export default defineCommand({
  path: ["volume", "unmount"],
  usage: "VOLUME [VOLUME...]",
  summary: "For podman's scripts: a volume is a directory, nothing need be unmounted",
  flags: {},
  args: { min: 1, max: Infinity, completes: "volume" },
  run: (context, _flags, names) =>
    forEachArgument(context, names, (name) => {
      const volume = getVolume(context, name);
      requireMountpoint(context.paths, volume);
      return Promise.resolve(volume.name);
    }),
});
