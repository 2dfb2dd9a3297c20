/** `tspod image diff`: what an image's topmost layer has changed. */
import { loadDiff } from "../../image/index.ts";
import { defineCommand } from "../command.ts";
import { value } from "../flags.ts";
import { checkChangesFormat, formatChanges } from "../output/changes.ts";
import { print } from "../output/print.ts";

export default defineCommand({
  path: ["image", "diff"],
  usage: "IMAGE",
  summary: "Show what the topmost layer changes: A added, C changed, D deleted",
  flags: { format: value("--format", "FORMAT", "json", ["json"]) },
  args: { min: 1, max: 1, completes: "image" },
  async run(context, flags, [name = ""]) {
    checkChangesFormat(flags.format);
    const { imageChanges } = await loadDiff();
    await print(formatChanges(await imageChanges(context, name), flags.format));
    return 0;
  },
});
