/** `tspod artifact push`. */
import { loadArtifactTransport } from "../../image/index.ts";
import { defineCommand } from "../command.ts";
import { boolean, value } from "../flags.ts";
import { parseProgress, progressFlags } from "../options/progress.ts";
import { accessFlags } from "../options/registry.ts";
import { registryAccess } from "../options/registry-values.ts";
import { writeDigest } from "../output/digest-file.ts";
import { print } from "../output/print.ts";
import { showPullProgress } from "../output/pull-progress.ts";

const unsigned = "it does not sign; cosign does, by the digest that --digestfile writes";

export default defineCommand({
  path: ["artifact", "push"],
  usage: "NAME [DESTINATION]",
  summary: "Send an artifact to a registry",
  flags: {
    digestfile: value("--digestfile", "FILE", "Write the pushed digest to a file", "file"),
    quiet: boolean("-q,--quiet", "Say nothing"),
    ...progressFlags,
    ...accessFlags,
  },
  args: { min: 1, max: 2, completes: "none" },
  refused: { "--sign-by": unsigned, "--sign-by-sigstore": unsigned },
  check: (given) => void parseProgress(given.progress),
  async run(context, given, [name = "", to]) {
    showPullProgress(context, { quiet: given.quiet, kind: parseProgress(given.progress) });
    const { pushArtifact } = await loadArtifactTransport();
    const { reference, digest, sizeBytes } = await pushArtifact(context, name, {
      destination: to?.replace(/^docker:\/\//, ""),
      access: await registryAccess(given),
    });
    if (given.digestfile !== null) writeDigest(given.digestfile, digest, "The artifact is pushed");
    const { tag = "latest" } = reference;
    if (!given.quiet) await print(`${tag}: digest: ${digest} size: ${sizeBytes}\n`);
    return 0;
  },
});
