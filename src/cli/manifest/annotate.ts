/** `tspod manifest annotate`. */
import { loadManifestList } from "../../image/index.ts";
import { defineCommand } from "../command.ts";
import { entryChanges, entryFlags } from "../options/list-entry.ts";

export default defineCommand({
  path: ["manifest", "annotate"],
  usage: "LIST IMAGE|DIGEST",
  summary: "Change what a manifest list says of an image",
  flags: entryFlags,
  args: { min: 2, max: 2, completes: "image" },
  async run(context, flags, [name = "", image = ""]) {
    const changes = entryChanges(flags);
    const { changeEntry, changeInList } = await loadManifestList();
    changeInList(context, name, image, (entry) => changeEntry(entry, changes));
    return 0;
  },
});
