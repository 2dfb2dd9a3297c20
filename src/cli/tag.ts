/** `tspod tag`. */
import { loadTag } from "../image/index.ts";
import { defineCommand } from "./command.ts";

export default defineCommand({
  path: ["tag"],
  usage: "IMAGE NAME [NAME...]",
  summary: "Give an image more names",
  examples: [["For a registry", "tspod tag web registry.example.org/team/web:1.2"]],
  flags: {},
  args: { min: 2, max: Infinity, completes: "image" },
  async run(context, _, [source = "", ...targets]) {
    const { tagImage } = await loadTag();
    tagImage(context, source, targets);
    return 0;
  },
});
