/** `tspod create`: everything of run but the start. */
import { writeFileSync } from "node:fs";
import { createContainer } from "../container/index.ts";
import { defineCommand } from "./command.ts";
import { containerFlags, createOptions, parseEnsure } from "./options/container.ts";
import { print } from "./output/print.ts";
import { showPullProgress } from "./output/pull-progress.ts";

export default defineCommand({
  path: ["create"],
  usage: "IMAGE [COMMAND [ARG...]]",
  summary: "Create a container without starting it",
  flags: containerFlags,
  args: { min: 1, max: Infinity, completes: "image", stopsAtFirst: true },
  async run(context, flags, args) {
    const options = createOptions(flags, args, context.environment);
    showPullProgress(context);
    const { id } = await createContainer(context, options, parseEnsure(flags));
    if (flags.cidfile !== null) writeFileSync(flags.cidfile, id, { flag: "wx" });
    await print(`${id}\n`);
    return 0;
  },
});
