/** `tspod image diff`: what an image's topmost layer has changed, or an image otherwise than another one. */
import { loadDiff } from "../../image/index.ts";
import { defineCommand } from "../command.ts";
import { diffFlags, printDiff } from "../diff.ts";

export default defineCommand({
  path: ["image", "diff"],
  usage: "IMAGE [IMAGE]",
  summary: "Show what the topmost layer changes: A added, C changed, D deleted",
  examples: [["What an image has otherwise than another one", "tspod image diff web:2 web:1"]],
  flags: { format: diffFlags.format, quiet: diffFlags.quiet },
  args: { min: 1, max: 2, completes: "image" },
  run: (context, flags, args) =>
    printDiff(
      context,
      { ...flags, latest: false, command: "tspod image diff", kind: "image", usage: "IMAGE" },
      args,
      async (_, name) => (await loadDiff()).imageChanges(context, name),
    ),
});
