/** `tspod rm`. */
import { getContainer, listContainers, removeContainer } from "../container/index.ts";
import { TspodError } from "../errors.ts";
import { defineCommand } from "./command.ts";
import { forEachArgument } from "./each.ts";
import { boolean } from "./flags.ts";

export default defineCommand({
  path: ["rm"],
  usage: "CONTAINER [CONTAINER...]",
  summary: "Remove containers",
  flags: {
    force: boolean("-f,--force", "Kill those that run; one that is not there is no error"),
    all: boolean("-a,--all", "Every container"),
    volumes: boolean("-v,--volumes", "Also remove their anonymous volumes"),
  },
  args: { min: 0, max: Infinity, completes: "container" },
  async run(context, flags, args) {
    if (args.length === 0 && !flags.all) {
      throw new TspodError("usage", '"tspod rm" needs a container', {
        next: "name one, or -a for all; tspod ps -a lists them",
      });
    }
    const names = flags.all ? listContainers(context).map(({ id }) => id) : args;
    return forEachArgument(context, names, async (name) => {
      try {
        await removeContainer(context, getContainer(context, name), {
          force: flags.force,
          ...(flags.volumes ? { volumes: true } : {}),
        });
      } catch (error) {
        const isGone = error instanceof TspodError && error.code === "container.not_found";
        if (!(flags.force && isGone)) throw error;
      }
      return name;
    });
  },
});
