/** `tspod load`: images out of an archive or a directory. */
import { TspodError } from "../errors.ts";
import { loadLoader, loadOpener } from "../image/index.ts";
import { defineCommand } from "./command.ts";
import { boolean, value } from "./flags.ts";
import { print } from "./output/print.ts";
import { showPullProgress } from "./output/pull-progress.ts";
import { isTerminal } from "./output/terminal.ts";

const stdin = 0;

export default defineCommand({
  path: ["load"],
  usage: "",
  summary: "Read images that docker, podman, skopeo or tspod save has written",
  examples: [["From another machine", "ssh host docker save web | tspod load"]],
  flags: {
    input: value(
      "-i,--input",
      "PATH",
      "Read an archive or a directory, not standard input",
      "file",
    ),
    quiet: boolean("-q,--quiet", "Only what has been loaded"),
  },
  args: { min: 0, max: 0, completes: "none" },
  refused: { "--platform": "of an archive for several platforms this machine's is loaded" },
  async run(context, flags) {
    const { loadImages } = await loadLoader();
    const isStream = flags.input === null || flags.input === "-";
    if (isStream && isTerminal(stdin)) {
      throw new TspodError("usage", '"tspod load" reads an archive, and there is none', {
        next: "tspod load -i FILE, or let another command write into it",
      });
    }
    const source = isStream
      ? { bytes: Bun.stdin.stream(), what: "standard input" }
      : (await loadOpener()).openArchive(flags.input ?? "");
    showPullProgress(context, { quiet: flags.quiet });
    for await (const { id, names } of loadImages(context, source)) {
      const lines = names.map((name) => `Loaded image: ${name}\n`);
      await print(lines.length === 0 ? `Loaded image ID: ${id}\n` : lines.join(""));
    }
    return 0;
  },
});
