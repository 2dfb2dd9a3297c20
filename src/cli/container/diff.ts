/** `tspod container diff`: what a container has changed of its image, or has otherwise than another container. */
import { defineCommand } from "../command.ts";
import { changesOfContainer, diffFlags, printDiff } from "../diff.ts";

export default defineCommand({
  path: ["container", "diff"],
  usage: "CONTAINER [CONTAINER]",
  summary: "Show what a container has changed of its image: A added, C changed, D deleted",
  flags: diffFlags,
  args: { min: 0, max: 2, completes: "container" },
  run: (context, flags, args) =>
    printDiff(
      context,
      { ...flags, command: "tspod container diff", kind: "container", usage: "CONTAINER" },
      args,
      changesOfContainer,
    ),
});
