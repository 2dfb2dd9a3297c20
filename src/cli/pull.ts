/** `tspod pull`. */
import { pullImage } from "../image/index.ts";
import { defineCommand } from "./command.ts";
import { forEachArgument } from "./each.ts";
import { boolean, value } from "./flags.ts";
import { showPullProgress } from "./output/pull-progress.ts";

export default defineCommand({
  path: ["pull"],
  usage: "IMAGE [IMAGE...]",
  summary: "Fetch images from their registry",
  flags: {
    platform: value("--platform", "OS/ARCH", "Platform of the image", [
      "linux/amd64",
      "linux/arm64",
    ]),
    quiet: boolean("-q,--quiet", "Only the image's id"),
  },
  args: { min: 1, max: Infinity, completes: "image" },
  async run(context, flags, args) {
    showPullProgress(context, { quiet: flags.quiet });
    const options = flags.platform === null ? {} : { platform: flags.platform };
    return forEachArgument(context, args, async (name) => {
      const { id } = await pullImage(context, name, options);
      return id.replace(/^sha256:/, "");
    });
  },
});
