/** `tspod kill`. */
import { getContainer, isUp, killContainer } from "../container/index.ts";
import { parseSignal } from "../spec/index.ts";
import { defineCommand } from "./command.ts";
import { forEachArgument } from "./each.ts";
import { boolean, value } from "./flags.ts";
import { cidfileFlag, latestFlag, longFilterFlag, selectContainers } from "./options/selection.ts";

export default defineCommand({
  path: ["kill"],
  usage: "CONTAINER [CONTAINER...]",
  summary: "Send a signal to running containers, SIGKILL by default",
  flags: {
    signal: value("-s,--signal", "SIGNAL", "Name or number", "signal"),
    all: boolean("-a,--all", "Every running container"),
    cidfile: cidfileFlag,
    filter: longFilterFlag,
    latest: latestFlag,
  },
  args: { min: 0, max: Infinity, completes: "running" },
  async run(context, flags, args) {
    const signal = parseSignal(flags.signal ?? "KILL");
    const names = await selectContainers(context, {
      ...flags,
      args,
      isAll: ({ state }) => isUp(state),
      command: "tspod kill",
    });
    return forEachArgument(context, names, async (name) => {
      await killContainer(context, getContainer(context, name), signal);
      return name;
    });
  },
});
