/** `tspod pause`. */
import { type Container, getContainer, statusOf } from "../container/index.ts";
import { pauseContainer } from "../container/pause.ts";
import { defineCommand } from "./command.ts";
import { forEachArgument } from "./each.ts";
import { boolean } from "./flags.ts";
import { cidfileFlag, filterFlag, latestFlag, selectContainers } from "./options/selection.ts";

export default defineCommand({
  path: ["pause"],
  usage: "CONTAINER [CONTAINER...]",
  summary: "Let running containers stand still",
  flags: {
    all: boolean("-a,--all", "Every running container"),
    cidfile: cidfileFlag,
    filter: filterFlag,
    latest: latestFlag,
  },
  args: { min: 0, max: Infinity, completes: "running" },
  async run(context, flags, args) {
    const isAll = (container: Container): boolean => statusOf(container) === "running";
    const selection = { ...flags, args, isAll, command: "tspod pause" };
    return forEachArgument(context, await selectContainers(context, selection), async (name) => {
      await pauseContainer(context, getContainer(context, name));
      return name;
    });
  },
});
