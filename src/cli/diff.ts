/** `tspod diff`: what a container has changed of its image, or an image's topmost layer of those below. */
import {
  type Compared,
  getContainer,
  getLatest,
  loadChanges,
  loadCompare,
} from "../container/index.ts";
import { TspodError } from "../errors.ts";
import type { FileChange } from "../helper/index.ts";
import { loadDiff } from "../image/index.ts";
import { type CliContext, defineCommand } from "./command.ts";
import { boolean, value } from "./flags.ts";
import { latestFlag, refuseRest, takeContainer } from "./options/selection.ts";
import { checkChangesFormat, formatChanges } from "./output/changes.ts";
import { print } from "./output/print.ts";

/** Of `tspod container diff`, too. */
export const diffFlags = {
  format: value("--format", "FORMAT", "json", ["json"]),
  quiet: boolean(
    "-q,--quiet",
    "Only whether there are changes: the exit code is 1 when there are none",
  ),
  latest: latestFlag,
};

export default defineCommand({
  path: ["diff"],
  usage: "CONTAINER|IMAGE [CONTAINER|IMAGE]",
  summary: "Show what a container, or an image, has changed: A added, C changed, D deleted",
  examples: [
    ["What a container has changed of its image", "tspod diff web"],
    ["What an image has otherwise than another one", "tspod diff web:2 web:1"],
  ],
  flags: diffFlags,
  args: { min: 0, max: 2, completes: "container" },
  run: (context, flags, args) =>
    printDiff(
      context,
      { ...flags, command: "tspod diff", kind: "either", usage: "CONTAINER|IMAGE" },
      args,
      changesOf,
    ),
});

interface DiffOptions {
  format: string | null;
  quiet: boolean;
  latest: boolean;
  command: string;
  usage: string;
  kind: Compared;
}

/** `changes`: of what has that name or id; of two, what makes the second into the first. */
export async function printDiff(
  context: CliContext,
  { format, quiet, latest, command, usage, kind }: DiffOptions,
  args: readonly string[],
  changes: (context: CliContext, name: string) => Promise<FileChange[]>,
): Promise<number> {
  checkChangesFormat(format);
  const { name, rest } = takeContainer(args, { latest, command, usage });
  const [other] = latest ? [] : rest;
  refuseRest(command, latest ? rest : rest.slice(1));
  const seen =
    other === undefined
      ? await changes(context, name ?? getLatest(context).id)
      : await (await loadCompare()).compareFiles(context, { name: name ?? "", other, kind });
  if (quiet) return seen.length > 0 ? 0 : 1;
  await print(formatChanges(seen, format));
  return 0;
}

/** Errors: container.not_found. */
export async function changesOfContainer(context: CliContext, name: string): Promise<FileChange[]> {
  const { containerChanges } = await loadChanges();
  return containerChanges(context, getContainer(context, name));
}

/** Podman's: a container of that name comes first. Errors: container.not_found, when it is no image either. */
async function changesOf(context: CliContext, name: string): Promise<FileChange[]> {
  try {
    return await changesOfContainer(context, name);
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
