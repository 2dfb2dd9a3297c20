/** `tspod manifest add`. */
import { loadManifestList } from "../../image/index.ts";
import { defineCommand } from "../command.ts";
import { boolean } from "../flags.ts";
import { entryChanges, entryFlags } from "../options/list-entry.ts";
import { accessFlags } from "../options/registry.ts";
import { registryAccess } from "../options/registry-values.ts";
import { print } from "../output/print.ts";

export default defineCommand({
  path: ["manifest", "add"],
  usage: "LIST IMAGE [IMAGE...]",
  summary: "Add images to a manifest list",
  flags: {
    all: boolean("--all", "Of an image that is a list: all that is in it"),
    ...entryFlags,
    ...accessFlags,
  },
  args: { min: 2, max: Infinity, completes: "image" },
  refused: Object.fromEntries(
    ["--artifact", "--artifact-type", "--artifact-config", "--artifact-layer-type"].map((flag) => [
      flag,
      "files are pushed by tspod artifact push, and what that has sent is added",
    ]),
  ),
  async run(context, flags, [name = "", ...images]) {
    const { addToList } = await loadManifestList();
    const options = {
      changes: entryChanges(flags),
      isAll: flags.all,
      access: await registryAccess(flags),
    };
    for (const image of images) {
      const added = await addToList(context, name, image, options);
      await print(added.map((digest) => `${digest}\n`).join(""));
    }
    return 0;
  },
});
