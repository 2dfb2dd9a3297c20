/** `tspod manifest exists`: status 0 or 1. */
import { TspodError } from "../../errors.ts";
import { loadManifestList } from "../../image/index.ts";
import { defineCommand } from "../command.ts";

export default defineCommand({
  path: ["manifest", "exists"],
  usage: "LIST",
  summary: "Whether there is a manifest list of that name",
  flags: {},
  args: { min: 1, max: 1, completes: "none" },
  async run(context, _, [name = ""]) {
    const { getList } = await loadManifestList();
    try {
      getList(context, name);
      return 0;
    } catch (error) {
      if (error instanceof TspodError && error.code === "image.not_found") return 1;
      throw error;
    }
  },
});
