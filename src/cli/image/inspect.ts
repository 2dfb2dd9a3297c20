/** `tspod image inspect`. */
import { defineCommand } from "../command.ts";
import { value } from "../flags.ts";
import { inspectAll } from "../inspect.ts";

export default defineCommand({
  path: ["image", "inspect"],
  usage: "IMAGE [IMAGE...]",
  summary: "Show everything about images",
  flags: {
    format: value("-f,--format", "TEMPLATE", "json or a Go template", ["json"]),
  },
  args: { min: 1, max: Infinity, completes: "image" },
  refused: { "--platform": "each image here is for one platform, which its name or id says" },
  async run(context, { format }, args) {
    return inspectAll(context, args, { format, kind: "image", size: false, latest: false });
  },
});
