/** `tspod artifact rm`. */
import { TspodError } from "../../errors.ts";
import { loadArtifacts } from "../../image/index.ts";
import { defineCommand } from "../command.ts";
import { forEachArgument } from "../each.ts";
import { boolean } from "../flags.ts";

export default defineCommand({
  path: ["artifact", "rm"],
  usage: "NAME [NAME...]",
  summary: "Remove artifacts here (registry delete removes them there)",
  flags: {
    all: boolean("-a,--all", "Every one"),
    ignore: boolean("-i,--ignore", "One that is not there is no error"),
  },
  args: { min: 0, max: Infinity, completes: "none" },
  async run(context, { all, ignore }, args) {
    if (all === args.length > 0) {
      const message = all ? "Cannot combine names with --all" : '"tspod artifact rm" needs a name';
      throw new TspodError("usage", message, { next: "tspod artifact ls lists them" });
    }
    const { listArtifacts, removeArtifact } = await loadArtifacts();
    const names = all ? listArtifacts(context).map(({ name }) => name) : args;
    return forEachArgument(context, names, async (name) => {
      try {
        return (await removeArtifact(context, name)).replace("sha256:", "");
      } catch (error) {
        const isMissing = error instanceof TspodError && error.code === "image.not_found";
        if (!isMissing || !ignore) throw error;
        return null;
      }
    });
  },
});
