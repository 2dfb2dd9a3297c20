/** `tspod volume mount`. */
import { getVolume, requireMountpoint } from "../../volume/index.ts";
import { defineCommand } from "../command.ts";
import { forEachArgument } from "../each.ts";

export default defineCommand({
  path: ["volume", "mount"],
  usage: "VOLUME [VOLUME...]",
  summary:
    "Print the directory that has its files; inside of unshare their owners are those that containers see",
  flags: {},
  args: { min: 1, max: Infinity, completes: "volume" },
  run: (context, _flags, names) =>
    forEachArgument(context, names, (name) => {
      const volume = getVolume(context, name);
      return Promise.resolve(requireMountpoint(context.paths, volume));
    }),
});
