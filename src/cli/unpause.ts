/** `tspod unpause`. */
import { type Container, getContainer, statusOf } from "../container/index.ts";
import { unpauseContainer } from "../container/pause.ts";
import { defineCommand } from "./command.ts";
import { forEachArgument } from "./each.ts";
import { boolean } from "./flags.ts";
import { cidfileFlag, filterFlag, latestFlag, selectContainers } from "./options/selection.ts";

export default defineCommand({
  path: ["unpause"],
  usage: "CONTAINER [CONTAINER...]",
  summary: "Let paused containers go on",
  flags: {
    all: boolean("-a,--all", "Every paused container"),
    cidfile: cidfileFlag,
    filter: filterFlag,
    latest: latestFlag,
  },
  args: { min: 0, max: Infinity, completes: "running" },
  async run(context, flags, args) {
    const isAll = (container: Container): boolean => statusOf(container) === "paused";
    const selection = { ...flags, args, isAll, command: "tspod unpause" };
    return forEachArgument(context, await selectContainers(context, selection), async (name) => {
      await unpauseContainer(context, getContainer(context, name));
      return name;
    });
  },
});
