/** `tspod manifest push`. */
import { TspodError } from "../../errors.ts";
import { loadManifestList, loadPushList } from "../../image/index.ts";
import { defineCommand } from "../command.ts";
import { boolean, value } from "../flags.ts";
import { parseProgress, progressFlags } from "../options/progress.ts";
import { accessFlags, insecureFlag, refusedSigning } from "../options/registry.ts";
import { registryAccess } from "../options/registry-values.ts";
import { writeDigest } from "../output/digest-file.ts";
import { print } from "../output/print.ts";
import { showPullProgress } from "../output/pull-progress.ts";

const formats = new Map([
  ["oci", "oci"],
  ["v2s2", "docker"],
  ["docker", "docker"],
] as const);

const asTheyAre =
  "the list names its images by their digests: tspod push compresses, and what it has sent is added";

export default defineCommand({
  path: ["manifest", "push"],
  usage: "LIST [DESTINATION]",
  summary: "Send a manifest list and its images to a registry",
  flags: {
    all: { ...boolean("--all", "The images, too; =false: they are there"), isOnByDefault: true },
    digestfile: value("--digestfile", "FILE", "Write the pushed digest to a file", "file"),
    format: value("-f,--format", "FORMAT", "oci or v2s2", ["oci", "v2s2"]),
    quiet: boolean("-q,--quiet", "Only the digest"),
    rm: boolean("-p,--rm,--purge", "Remove the list here afterwards"),
    removeSignatures: boolean("--remove-signatures", "Send none, as always"),
    ...progressFlags,
    ...insecureFlag,
    ...accessFlags,
  },
  args: { min: 1, max: 2, completes: "none" },
  refused: {
    ...refusedSigning,
    ...{ "--compression-format": asTheyAre, "--compression-level": asTheyAre },
    ...{ "--force-compression": asTheyAre, "--add-compression": asTheyAre },
  },
  check: (given) => void parseProgress(given.progress),
  async run(context, flags, [name = "", destination]) {
    showPullProgress(context, { quiet: flags.quiet, kind: parseProgress(flags.progress) });
    const format = [...formats].find(([word]) => word === (flags.format ?? "oci"))?.[1];
    if (format === undefined) {
      throw new TspodError("usage", `Invalid --format "${flags.format}"`, {
        next: "use oci or v2s2",
      });
    }
    const { pushList } = await loadPushList();
    const to = destination?.replace(/^docker:\/\//, "");
    const digest = await pushList(context, name, {
      ...{ format, isAll: flags.all, access: await registryAccess(flags) },
      ...(to === undefined ? {} : { destination: to }),
    });
    if (flags.digestfile !== null) writeDigest(flags.digestfile, digest, "The list is pushed");
    if (flags.rm) (await loadManifestList()).removeList(context, name);
    await print(`${digest}\n`);
    return 0;
  },
});
