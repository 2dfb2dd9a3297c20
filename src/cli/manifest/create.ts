/** `tspod manifest create`. */
import { loadManifestList } from "../../image/index.ts";
import { defineCommand } from "../command.ts";
import { boolean, list } from "../flags.ts";
import { parseAnnotations } from "../options/list-entry.ts";
import { insecureFlag, registryFlags } from "../options/registry.ts";
import { registryAccess } from "../options/registry-values.ts";
import { print } from "../output/print.ts";

export default defineCommand({
  path: ["manifest", "create"],
  usage: "LIST [IMAGE...]",
  summary: "Make a manifest list, of images here or in registries",
  examples: [["Of two", "tspod manifest create app:1 app:1-amd64 docker://quay.io/me/app:1-arm64"]],
  flags: {
    all: boolean("--all", "Of an image that is a list: all that is in it"),
    amend: boolean("-a,--amend", "One that is there is added to"),
    annotation: list("--annotation", "KEY=VALUE", "Attach an annotation to the list"),
    ...insecureFlag,
    ...registryFlags,
  },
  args: { min: 1, max: Infinity, completes: "image" },
  async run(context, flags, [name = "", ...images]) {
    const { addToList, createList } = await loadManifestList();
    const annotations = parseAnnotations(flags.annotation);
    const access = await registryAccess(flags);
    const created = createList(context, name, { isAmended: flags.amend, annotations });
    for (const image of images) {
      await addToList(context, name, image, { changes: {}, isAll: flags.all, access });
    }
    await print(`${created.name}\n`);
    return 0;
  },
});
