/** `tspod stop`. */
import { getContainer, isUp, listContainers, stopContainer } from "../container/index.ts";
import { defineCommand } from "./command.ts";
import { forEachArgument } from "./each.ts";
import { boolean, value } from "./flags.ts";
import { parseSeconds } from "./options/container.ts";

export default defineCommand({
  path: ["stop"],
  usage: "CONTAINER [CONTAINER...]",
  summary: "Ask containers to stop, and kill those that do not in time",
  flags: {
    time: value("-t,--time,--timeout", "SECONDS", "Patience before the kill; 0 kills at once"),
    all: boolean("-a,--all", "Every running container"),
  },
  args: { min: 0, max: Infinity, completes: "running" },
  async run(context, flags, args) {
    const names = flags.all
      ? listContainers(context)
          .filter(({ state }) => isUp(state))
          .map(({ id }) => id)
      : args;
    const options = flags.time === null ? {} : { timeoutMs: parseSeconds("--time", flags.time, 0) };
    return forEachArgument(context, names, async (name) => {
      await stopContainer(context, getContainer(context, name), options);
      return name;
    });
  },
});
