/** `tspod manifest remove`: an image out of a list. */
import { loadManifestList } from "../../image/index.ts";
import { defineCommand } from "../command.ts";

export default defineCommand({
  path: ["manifest", "remove"],
  usage: "LIST DIGEST|IMAGE",
  summary: "Take an image out of a manifest list",
  flags: {},
  args: { min: 2, max: 2, completes: "none" },
  async run(context, _, [name = "", image = ""]) {
    const { changeInList } = await loadManifestList();
    changeInList(context, name, image, () => null);
    return 0;
  },
});
