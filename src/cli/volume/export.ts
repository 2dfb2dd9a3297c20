/** `tspod volume export`: what is in a volume as a tar archive. */
import { loadVolumeArchive } from "../../container/index.ts";
import { TspodError } from "../../errors.ts";
import { getVolume } from "../../volume/index.ts";
import { defineCommand } from "../command.ts";
import { value } from "../flags.ts";
import { isTerminal } from "../output/terminal.ts";
import { toFile } from "../output/to-file.ts";

const stdout = 1;

export default defineCommand({
  path: ["volume", "export"],
  usage: "VOLUME",
  summary: "Write what is in a volume as a tar archive",
  flags: {
    output: value("-o,--output", "FILE", "Write to a file, not to standard output", "file"),
  },
  args: { min: 1, max: 1, completes: "volume" },
  async run(context, flags, [name = ""]) {
    const volume = getVolume(context, name);
    const { exportVolume } = await loadVolumeArchive();
    if (flags.output === null && isTerminal(stdout)) {
      throw new TspodError("usage", "An archive is nothing for a terminal", {
        next: `write it to a file: tspod volume export -o FILE ${name}`,
      });
    }
    const work = (descriptor: number): Promise<void> => exportVolume(context, volume, descriptor);
    await (flags.output === null ? work(stdout) : toFile(flags.output, work));
    return 0;
  },
});
