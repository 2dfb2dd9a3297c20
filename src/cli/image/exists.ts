/** `tspod image exists`: an answer by the exit code, for scripts. */
import { findImage } from "../../image/index.ts";
import { defineCommand } from "../command.ts";

export default defineCommand({
  path: ["image", "exists"],
  usage: "IMAGE",
  summary: "Say by the exit code whether there is such an image: 0 yes, 1 no",
  flags: {},
  args: { min: 1, max: 1, completes: "image" },
  async run(context, _, [name = ""]) {
    return findImage(context, name) === undefined ? 1 : 0;
  },
});
