/** `tspod export`: a container's root file system as a tar archive. */
import { closeSync, fsyncSync, lstatSync, openSync, renameSync, rmSync } from "node:fs";
import { getContainer, loadExport } from "../container/index.ts";
import { TspodError } from "../errors.ts";
import { defineCommand } from "./command.ts";
import { value } from "./flags.ts";
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

/** The file is there when it is whole. A pipe or a device is written to as it is. */
async function toFile(path: string, work: (descriptor: number) => Promise<void>): Promise<void> {
  const there = lstatSync(path, { throwIfNoEntry: false });
  const isPlain = there === undefined || there.isFile();
  const written = isPlain ? `${path}.${process.pid}.tmp` : path;
  const descriptor = open(path, written);
  try {
    await work(descriptor);
    if (isPlain) fsyncSync(descriptor);
    if (isPlain) renameSync(written, path);
  } catch (error) {
    if (isPlain) rmSync(written, { force: true });
    throw error;
  } finally {
    closeSync(descriptor);
  }
}

function open(path: string, written: string): number {
  try {
    return openSync(written, "w", 0o600);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new TspodError("files.refused", `Cannot write "${path}" (${code})`, {
      next: "choose a place that you may write to",
      cause,
    });
  }
}
