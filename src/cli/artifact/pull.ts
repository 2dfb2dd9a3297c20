/** `tspod artifact pull`. */
import { loadArtifactTransport } from "../../image/index.ts";
import { defineCommand } from "../command.ts";
import { forEachArgument } from "../each.ts";
import { boolean } from "../flags.ts";
import { parseProgress, progressFlags } from "../options/progress.ts";
import { accessFlags } from "../options/registry.ts";
import { registryAccess } from "../options/registry-values.ts";
import { showPullProgress } from "../output/pull-progress.ts";

export default defineCommand({
  path: ["artifact", "pull"],
  usage: "NAME [NAME...]",
  summary: "Fetch artifacts from their registry",
  flags: { quiet: boolean("-q,--quiet", "Only the digest"), ...progressFlags, ...accessFlags },
  args: { min: 1, max: Infinity, completes: "none" },
  check: (given) => void parseProgress(given.progress),
  async run(context, given, names) {
    showPullProgress(context, { quiet: given.quiet, kind: parseProgress(given.progress) });
    const { pullArtifact } = await loadArtifactTransport();
    const access = await registryAccess(given);
    return forEachArgument(context, names, async (name) => {
      const digest = await pullArtifact(context, name.replace(/^docker:\/\//, ""), access);
      return digest.replace("sha256:", "");
    });
  },
});
