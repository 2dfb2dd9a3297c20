/** `tspod rmi`. */
import { removeImage } from "../image/index.ts";
import { TspodError } from "../errors.ts";
import { defineCommand } from "./command.ts";
import { forEachArgument } from "./each.ts";
import { boolean } from "./flags.ts";

export default defineCommand({
  path: ["rmi"],
  usage: "IMAGE [IMAGE...]",
  summary: "Remove images",
  flags: { force: boolean("-f,--force", "Also when a container stands on it") },
  args: { min: 1, max: Infinity, completes: "image" },
  async run(context, flags, args) {
    return forEachArgument(context, args, async (name) => {
      try {
        const { untagged, deleted } = await removeImage(context, name, { force: flags.force });
        const lines = untagged.map((reference) => `Untagged: ${reference}`);
        return [...lines, ...(deleted === undefined ? [] : [`Deleted: ${deleted}`])].join("\n");
      } catch (error) {
        const isGone = error instanceof TspodError && error.code === "image.not_found";
        if (!(flags.force && isGone)) throw error;
        return null;
      }
    });
  },
});
