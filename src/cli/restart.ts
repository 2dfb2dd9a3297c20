/** `tspod restart`. */
import { getContainer, isUp } from "../container/index.ts";
import { restartContainer } from "../container/restart.ts";
import { parseSignal } from "../spec/index.ts";
import { defineCommand } from "./command.ts";
import { forEachArgument } from "./each.ts";
import { boolean, value } from "./flags.ts";
import { parseSeconds } from "./options/seconds.ts";
import { cidfileFlag, filterFlag, latestFlag, selectContainers } from "./options/selection.ts";

export default defineCommand({
  path: ["restart"],
  usage: "CONTAINER [CONTAINER...]",
  summary: "Stop containers and start them again; what does not run is started",
  flags: {
    time: value("-t,--time,--timeout", "SECONDS", "Patience before the kill; 0 kills at once"),
    signal: value("-s,--signal", "SIGNAL", "Ask with this signal instead of its own", "signal"),
    all: boolean("-a,--all", "Every container"),
    running: boolean("--running", "Every running container"),
    cidfile: cidfileFlag,
    filter: filterFlag,
    latest: latestFlag,
  },
  args: { min: 0, max: Infinity, completes: "container" },
  async run(context, flags, args) {
    const options = {
      ...(flags.time === null ? {} : { timeoutMs: parseSeconds("--time", flags.time, 0) }),
      ...(flags.signal === null ? {} : { signal: parseSignal(flags.signal) }),
    };
    const names = await selectContainers(context, {
      ...flags,
      args,
      all: flags.all || flags.running,
      isAll: ({ state }) => !flags.running || isUp(state),
      command: "tspod restart",
    });
    return forEachArgument(context, names, async (name) => {
      await restartContainer(context, getContainer(context, name), options);
      return name;
    });
  },
});
