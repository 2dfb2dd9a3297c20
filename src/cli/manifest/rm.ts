/** `tspod manifest rm`. */
import { loadManifestList } from "../../image/index.ts";
import { defineCommand } from "../command.ts";
import { forEachArgument } from "../each.ts";

export default defineCommand({
  path: ["manifest", "rm"],
  usage: "LIST [LIST...]",
  summary: "Remove manifest lists, not the images in them",
  flags: {},
  args: { min: 1, max: Infinity, completes: "none" },
  async run(context, _, names) {
    const { removeList } = await loadManifestList();
    return forEachArgument(context, names, async (name) => {
      removeList(context, name);
      return name;
    });
  },
});
