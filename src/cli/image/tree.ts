/** `tspod image tree`. */
import { inspectImage } from "../../image/index.ts";
import { defineCommand } from "../command.ts";
import { boolean } from "../flags.ts";
import { imageTree } from "../output/image-tree.ts";
import { print } from "../output/print.ts";

export default defineCommand({
  path: ["image", "tree"],
  usage: "IMAGE",
  summary: "Show the layers an image stands on",
  flags: { whatRequires: boolean("--whatrequires", "Show what stands on it instead") },
  args: { min: 1, max: 1, completes: "image" },
  async run(context, flags, [name = ""]) {
    await print(imageTree(context, inspectImage(context, name), flags.whatRequires));
    return 0;
  },
});
