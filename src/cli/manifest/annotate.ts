/** `tspod manifest annotate`. */
import { TspodError } from "../../errors.ts";
import { loadManifestList } from "../../image/index.ts";
import { defineCommand } from "../command.ts";
import { boolean } from "../flags.ts";
import { entryChanges, entryFlags } from "../options/list-entry.ts";

export default defineCommand({
  path: ["manifest", "annotate"],
  usage: "LIST IMAGE|DIGEST",
  summary: "Change what a manifest list says of an image",
  flags: { index: boolean("--index", "Annotate the list itself"), ...entryFlags },
  args: { min: 1, max: 2, completes: "image" },
  refused: { "--subject": "a list is about no other manifest here" },
  async run(context, flags, [name = "", image]) {
    const changes = entryChanges(flags);
    const { annotateList, changeEntry, changeInList } = await loadManifestList();
    if (flags.index) {
      annotateList(context, name, changes.annotations ?? {});
      return 0;
    }
    if (image === undefined) {
      throw new TspodError("usage", '"tspod manifest annotate" needs an image of the list', {
        next: "tspod manifest inspect shows them; --index is for the list itself",
      });
    }
    changeInList(context, name, image, (entry) => changeEntry(entry, changes));
    return 0;
  },
});
