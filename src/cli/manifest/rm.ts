/** `tspod manifest rm`. */
import { TspodError } from "../../errors.ts";
import { loadManifestList } from "../../image/index.ts";
import { defineCommand } from "../command.ts";
import { forEachArgument } from "../each.ts";
import { boolean } from "../flags.ts";

export default defineCommand({
  path: ["manifest", "rm"],
  usage: "LIST [LIST...]",
  summary: "Remove manifest lists, not the images in them",
  flags: { ignore: boolean("-i,--ignore", "One that is not there is no error") },
  args: { min: 1, max: Infinity, completes: "none" },
  async run(context, { ignore }, names) {
    const { removeList } = await loadManifestList();
    return forEachArgument(context, names, async (name) => {
      try {
        removeList(context, name);
        return name;
      } catch (error) {
        const isMissing = error instanceof TspodError && error.code === "image.not_found";
        if (!isMissing || !ignore) throw error;
        return null;
      }
    });
  },
});
