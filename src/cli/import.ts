/** `tspod import`: an image from an archive of a root file system. */
import { loadImport } from "../image/index.ts";
import { defineCommand } from "./command.ts";
import { boolean, list, value } from "./flags.ts";
import { print } from "./output/print.ts";

export default defineCommand({
  path: ["import"],
  usage: "FILE|URL|- [IMAGE]",
  summary: "Make an image from a tar archive (plain, gzip or zstd)",
  examples: [["What export has written", "tspod import web.tar web:backup"]],
  flags: {
    change: list("-c,--change", "INSTRUCTION", "A Dockerfile instruction, e.g. 'CMD [\"sh\"]'"),
    message: value("-m,--message", "TEXT", "A comment for its history"),
    quiet: boolean("-q,--quiet", "Nothing but the id, as always"),
  },
  args: { min: 1, max: 2, completes: "none" },
  refused: Object.fromEntries(
    ["--arch", "--os", "--variant", "--platform"].map((flag) => [flag, "it is for this machine"]),
  ),
  async run(context, flags, [source = "", name = null]) {
    const { importImage } = await loadImport();
    const id = await importImage(context, {
      source: source === "-" ? Bun.stdin.stream() : source,
      name,
      changes: flags.change,
      message: flags.message ?? "",
    });
    await print(`${id.replace(/^sha256:/, "")}\n`);
    return 0;
  },
});
