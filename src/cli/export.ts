/** `tspod export`: a container's root file system as a tar archive. */
import { getContainer, loadExport } from "../container/index.ts";
import { TspodError } from "../errors.ts";
import { defineCommand } from "./command.ts";
import { value } from "./flags.ts";
import { toFile } from "./output/to-file.ts";
import { isTerminal } from "./output/terminal.ts";

const stdout = 1;

export default defineCommand({
  path: ["export"],
  usage: "CONTAINER",
  summary: "Write a container's files as a tar archive, without what is mounted in it",
  flags: {
    output: value("-o,--output", "FILE", "Write to a file, not to standard output", "file"),
  },
  args: { min: 1, max: 1, completes: "container" },
  async run(context, flags, [name = ""]) {
    const container = getContainer(context, name);
    const { exportContainer } = await loadExport();
    const work = (descriptor: number): Promise<void> =>
      exportContainer(context, container, descriptor);
    if (flags.output !== null) {
      await toFile(flags.output, work);
      return 0;
    }
    if (isTerminal(stdout)) {
      throw new TspodError("usage", "An archive is nothing for a terminal", {
        next: `write it to a file: tspod export -o FILE ${name}`,
      });
    }
    await work(stdout);
    return 0;
  },
});
