/** `tspod diff`: what a container has changed of its image. */
import { getContainer, loadChanges } from "../container/index.ts";
import { defineCommand } from "./command.ts";
import { boolean, value } from "./flags.ts";
import { checkChangesFormat, formatChanges } from "./output/changes.ts";
import { print } from "./output/print.ts";

export default defineCommand({
  path: ["diff"],
  usage: "CONTAINER",
  summary: "Show what a container has changed: A added, C changed, D deleted",
  flags: {
    format: value("--format", "FORMAT", "json", ["json"]),
    quiet: boolean(
      "-q,--quiet",
      "Only whether there are changes: the exit code is 1 when there are none",
    ),
  },
  args: { min: 1, max: 1, completes: "container" },
  async run(context, flags, [name = ""]) {
    checkChangesFormat(flags.format);
    const { containerChanges } = await loadChanges();
    const changes = await containerChanges(context, getContainer(context, name));
    if (flags.quiet) return changes.length > 0 ? 0 : 1;
    await print(formatChanges(changes, flags.format));
    return 0;
  },
});
