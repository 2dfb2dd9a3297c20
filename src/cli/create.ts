/** `tspod create`: everything of run but the start. */
import { createContainer, discardContainer } from "../container/index.ts";
import type { ContainerRecord } from "../store/containers.ts";
import { defineCommand } from "./command.ts";
import { openCidfile } from "./options/cidfile.ts";
import { containerFlags, createOptions, parseEnsure } from "./options/container.ts";
import { refusedFlags } from "./options/refused.ts";
import { print } from "./output/print.ts";
import { showPullProgress } from "./output/pull-progress.ts";

export default defineCommand({
  path: ["create"],
  usage: "IMAGE [COMMAND [ARG...]]",
  summary: "Create a container without starting it",
  flags: containerFlags,
  args: { min: 1, max: Infinity, completes: "image", stopsAtFirst: true },
  refused: {
    ...refusedFlags,
    "--attach": "tspod start -a attaches to what it starts",
    "--rmi": "only run knows when it is over: tspod run --rmi",
  },
  async run(context, flags, args) {
    const options = await createOptions(flags, args, context.environment);
    if (!flags.quiet) showPullProgress(context);
    const cidfile = openCidfile(flags.cidfile);
    let made: ContainerRecord | undefined;
    try {
      const { record, written } = await createContainer(context, options, {
        ...(await parseEnsure(flags)),
        isKept: true,
      });
      made = record;
      await written;
      cidfile.write(made.id);
    } catch (error) {
      cidfile.discard();
      // whoever asked for the id in a file would not know what to remove
      if (made !== undefined) await discardContainer(context, made);
      throw error;
    }
    await print(`${made.id}\n`);
    return 0;
  },
});
