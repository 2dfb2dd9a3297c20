/** `tspod import`: an image from an archive of a root file system. */
import { loadImport } from "../image/index.ts";
import { parsePlatform } from "../oci/index.ts";
import { defineCommand } from "./command.ts";
import { boolean, list, value } from "./flags.ts";
import { parsePlatformFlags } from "./options/platform.ts";
import { print } from "./output/print.ts";

export default defineCommand({
  path: ["import"],
  usage: "FILE|URL|- [IMAGE]",
  summary: "Make an image from a tar archive (plain, gzip or zstd)",
  examples: [["What export has written", "tspod import web.tar web:backup"]],
  flags: {
    change: list("-c,--change", "INSTRUCTION", "A Dockerfile instruction, e.g. 'CMD [\"sh\"]'"),
    message: value("-m,--message", "TEXT", "A comment for its history"),
    platform: value("--platform", "PLATFORM", "What it is for, when not for this machine"),
    arch: value("--arch", "ARCHITECTURE", "Of another architecture"),
    os: value("--os", "OS", "Of another system"),
    variant: value("--variant", "VARIANT", "Of a variant of an architecture, e.g. v7"),
    quiet: boolean("-q,--quiet", "Nothing but the id, as always"),
  },
  args: { min: 1, max: 2, completes: "none" },
  async run(context, flags, [source = "", name = null]) {
    const platform = parsePlatformFlags(flags);
    const { importImage } = await loadImport();
    const id = await importImage(context, {
      source: source === "-" ? Bun.stdin.stream() : source,
      name,
      changes: flags.change,
      message: flags.message ?? "",
      ...(platform === null ? {} : { platform: parsePlatform(platform) }),
    });
    await print(`${id}\n`); // with its algorithm, unlike commit, as docker and podman have it
    return 0;
  },
});
