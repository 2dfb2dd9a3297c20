/** `tspod container inspect`. */
import { defineCommand } from "../command.ts";
import { boolean, value } from "../flags.ts";
import { inspectAll } from "../inspect.ts";
import { latestFlag } from "../options/selection-flags.ts";

export default defineCommand({
  path: ["container", "inspect"],
  usage: "CONTAINER [CONTAINER...]",
  summary: "Show everything about containers",
  flags: {
    format: value("-f,--format", "TEMPLATE", "json or a Go template", ["json"]),
    size: boolean("-s,--size", "Also what it has written, and with its image"),
    latest: latestFlag,
  },
  args: { min: 0, max: Infinity, completes: "container" },
  async run(context, flags, args) {
    return inspectAll(context, args, { ...flags, kind: "container" });
  },
});
