/** `tspod diff`: what a container has changed of its image, or an image's topmost layer of those below. */
import { getContainer, loadChanges } from "../container/index.ts";
import { TspodError } from "../errors.ts";
import type { FileChange } from "../helper/index.ts";
import { loadDiff } from "../image/index.ts";
import { type CliContext, defineCommand } from "./command.ts";
import { boolean, value } from "./flags.ts";
import { checkChangesFormat, formatChanges } from "./output/changes.ts";
import { print } from "./output/print.ts";

export default defineCommand({
  path: ["diff"],
  usage: "CONTAINER|IMAGE",
  summary: "Show what a container, or an image, has changed: A added, C changed, D deleted",
  flags: {
    format: value("--format", "FORMAT", "json", ["json"]),
    quiet: boolean(
      "-q,--quiet",
      "Only whether there are changes: the exit code is 1 when there are none",
    ),
  },
  args: { min: 1, max: 1, completes: "container" },
  async run(context, flags, [name = ""]) {
    checkChangesFormat(flags.format);
    const changes = await changesOf(context, name);
    if (flags.quiet) return changes.length > 0 ? 0 : 1;
    await print(formatChanges(changes, flags.format));
    return 0;
  },
});

/** Podman's: a container of that name comes first. Errors: container.not_found, when it is no image either. */
async function changesOf(context: CliContext, name: string): Promise<FileChange[]> {
  try {
    const { containerChanges } = await loadChanges();
    return await containerChanges(context, getContainer(context, name));
  } catch (error) {
    if (!(error instanceof TspodError && error.code === "container.not_found")) throw error;
  }
  try {
    const { imageChanges } = await loadDiff();
    return await imageChanges(context, name);
  } catch (error) {
    if (!(error instanceof TspodError && error.code === "image.not_found")) throw error;
    throw new TspodError("container.not_found", `Cannot find a container or an image "${name}"`, {
      next: "tspod ps -a and tspod images list them",
    });
  }
}
