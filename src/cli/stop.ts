/** `tspod stop`. */
import { getContainer, isUp, stopContainer } from "../container/index.ts";
import { TspodError } from "../errors.ts";
import { parseSignal } from "../spec/index.ts";
import { defineCommand } from "./command.ts";
import { forEachArgument } from "./each.ts";
import { boolean, value } from "./flags.ts";
import { parseSeconds } from "./options/seconds.ts";
import {
  cidfileFlag,
  filterFlag,
  ignoreFlag,
  latestFlag,
  selectContainers,
} from "./options/selection.ts";

export default defineCommand({
  path: ["stop"],
  usage: "CONTAINER [CONTAINER...]",
  summary: "Ask containers to stop, and kill those that do not in time",
  flags: {
    time: value("-t,--time,--timeout", "SECONDS", "Patience before the kill; 0 kills at once"),
    signal: value("-s,--signal", "SIGNAL", "Ask with this signal instead of its own", "signal"),
    all: boolean("-a,--all", "Every running container"),
    ignore: ignoreFlag,
    cidfile: cidfileFlag,
    filter: filterFlag,
    latest: latestFlag,
  },
  args: { min: 0, max: Infinity, completes: "running" },
  async run(context, flags, args) {
    const options = {
      ...(flags.time === null ? {} : { timeoutMs: parseSeconds("--time", flags.time, 0) }),
      ...(flags.signal === null ? {} : { signal: parseSignal(flags.signal) }),
    };
    const names = await selectContainers(context, {
      ...flags,
      args,
      isAll: ({ state }) => isUp(state),
      command: "tspod stop",
    });
    return forEachArgument(context, names, async (name) => {
      try {
        await stopContainer(context, getContainer(context, name), options);
      } catch (error) {
        const isGone = error instanceof TspodError && error.code === "container.not_found";
        if (!(isGone && flags.ignore)) throw error;
        return null;
      }
      return name;
    });
  },
});
