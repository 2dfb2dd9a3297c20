/** `tspod untag`. */
import { loadTag } from "../image/index.ts";
import { defineCommand } from "./command.ts";

export default defineCommand({
  path: ["untag"],
  usage: "IMAGE [NAME...]",
  summary: "Take names of an image away, or all it has; the image stays",
  flags: {},
  args: { min: 1, max: Infinity, completes: "image" },
  async run(context, _, [source = "", ...targets]) {
    const { untagImage } = await loadTag();
    untagImage(context, source, targets);
    return 0;
  },
});
