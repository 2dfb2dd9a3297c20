/** `tspod rmi`. */
import { listImages, removeImage } from "../image/index.ts";
import { TspodError } from "../errors.ts";
import { defineCommand } from "./command.ts";
import { forEachArgument } from "./each.ts";
import { boolean } from "./flags.ts";

export default defineCommand({
  path: ["rmi"],
  usage: "IMAGE [IMAGE...]",
  summary: "Remove images",
  flags: {
    all: boolean("-a,--all", "Every image"),
    force: boolean("-f,--force", "All names of an id, also when a container stands on it"),
    ignore: boolean("-i,--ignore", "One that is not there is no error"),
    noPrune: boolean("--no-prune", "Accepted: no image here is only a step of another"),
  },
  args: { min: 0, max: Infinity, completes: "image" },
  refused: { "--platform": "each image here is for one platform, which its name or id says" },
  async run(context, flags, args) {
    if (flags.all === args.length > 0) {
      throw new TspodError(
        "usage",
        flags.all ? "Cannot combine names with --all" : '"tspod rmi" needs an image',
        { next: "tspod images lists them" },
      );
    }
    const names = flags.all ? listImages(context).map(({ id }) => id) : args;
    const options = { force: flags.force, allNames: flags.all };
    const action = async (name: string): Promise<string | null> => {
      try {
        const { untagged, deleted } = await removeImage(context, name, options);
        const lines = untagged.map((reference) => `Untagged: ${reference}`);
        return [...lines, ...(deleted === undefined ? [] : [`Deleted: ${deleted}`])].join("\n");
      } catch (error) {
        const isGone = error instanceof TspodError && error.code === "image.not_found";
        if (!((flags.force || flags.ignore || flags.all) && isGone)) throw error;
        return null;
      }
    };
    return forEachArgument(context, names, action, exitCodes);
  },
});

/** Podman's: which of the two it was, when it was nothing else. */
const exitCodes = { "image.not_found": 1, "image.in_use": 2 } as const;
