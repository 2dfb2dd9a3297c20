/** `tspod update`. */
import { getContainer } from "../container/index.ts";
import { updateLimits } from "../container/update.ts";
import { TspodError } from "../errors.ts";
import { defineCommand } from "./command.ts";
import { forEachArgument } from "./each.ts";
import { limitFlags, limitOptions } from "./options/limits.ts";
import { latestFlag, selectContainers } from "./options/selection.ts";

const {
  cgroupParent: _parent,
  cgroups: _cgroups,
  deviceCgroupRule: _rule,
  oomKillDisable: _disable,
  oomScoreAdj: _score,
  ...limits
} = limitFlags;

/** What can only be decided when it is created. */
const settled = {
  ...{ cgroupParent: null, cgroups: null, deviceCgroupRule: [] },
  ...{ oomKillDisable: false, oomScoreAdj: null },
};

export default defineCommand({
  path: ["update"],
  usage: "CONTAINER [CONTAINER...]",
  summary: "Give containers other limits, at once and for every start from now on",
  examples: [["Half a gigabyte and one processor", "tspod update -m 512m --cpus 1 web"]],
  flags: { ...limits, latest: latestFlag },
  args: { min: 0, max: Infinity, completes: "container" },
  notYet: ["--restart"],
  async run(context, flags, args) {
    const asked = (await limitOptions({ ...flags, ...settled }, { isPartial: true })).limits;
    if (asked === undefined) {
      throw new TspodError("usage", '"tspod update" needs a limit to set', {
        next: "such as -m 512m, --cpus 1.5 or --pids-limit 100; see tspod update --help",
      });
    }
    for (const sentence of asked.ignored) context.warn(sentence);
    const names = selectContainers(context, {
      ...{ args, latest: flags.latest, command: "tspod update" },
    });
    return forEachArgument(context, names, async (name) => {
      await updateLimits(context, getContainer(context, name), asked);
      return name;
    });
  },
});
