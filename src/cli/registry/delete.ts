/** `tspod registry delete`: what skopeo delete and crane delete do. */
import { loadRegistryContent } from "../../image/index.ts";
import { defineCommand } from "../command.ts";
import { forEachArgument } from "../each.ts";
import { boolean } from "../flags.ts";
import { accessFlags } from "../options/registry.ts";
import { registryAccess } from "../options/registry-values.ts";

export default defineCommand({
  path: ["registry", "delete"],
  usage: "REFERENCE [REFERENCE...]",
  summary: "Delete a tag in a registry, or by digest an image with all its tags (rmi deletes here)",
  examples: [
    ["A tag", "tspod registry delete quay.io/me/app:old"],
    ["An image, whatever its tags", "tspod registry delete quay.io/me/app@sha256:..."],
  ],
  flags: {
    force: boolean(
      "-f,--force",
      "Where tags cannot be deleted alone, the tag's image with all its tags, as skopeo does",
    ),
    ...accessFlags,
  },
  args: { min: 1, max: Infinity, completes: "none" },
  async run(context, flags, names) {
    const { deleteInRegistry } = await loadRegistryContent();
    const access = await registryAccess(flags);
    return forEachArgument(context, names, async (name) => {
      const deleted = await deleteInRegistry(context, name, { access, isForced: flags.force });
      return deleted.name;
    });
  },
});
