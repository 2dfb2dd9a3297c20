/** `tspod top`. */
import { getContainer, getLatest } from "../container/index.ts";
import { parseTopColumns, topContainer, topDescriptors } from "../container/top.ts";
import { defineCommand } from "./command.ts";
import { boolean } from "./flags.ts";
import { latestFlag, takeContainer } from "./options/selection.ts";
import { print } from "./output/print.ts";
import { formatTable } from "./output/table.ts";

export default defineCommand({
  path: ["top"],
  usage: "CONTAINER [DESCRIPTOR...|PS-OPTION...]",
  summary: "Show the processes of a running container",
  examples: [
    ["By podman's descriptors", "tspod top web pid user args pcpu seccomp"],
    ["As ps shows them", "tspod top web aux"],
  ],
  flags: {
    latest: latestFlag,
    listDescriptors: boolean("--list-descriptors", "Say which descriptors there are"),
  },
  args: { min: 0, max: Infinity, completes: "running", stopsAtFirst: true },
  async run(context, flags, args) {
    if (flags.listDescriptors) {
      await print(topDescriptors.map((name) => `${name}\n`).join(""));
      return 0;
    }
    const { name, rest } = takeContainer(args, {
      ...{ latest: flags.latest, command: "tspod top" },
      usage: "CONTAINER [DESCRIPTOR...]",
    });
    const columns = parseTopColumns(rest);
    const container = name === null ? getLatest(context) : getContainer(context, name);
    const { titles, rows } = topContainer(container, columns);
    const shown = titles.map((header, at) => ({ header, cell: (row: string[]) => row[at] ?? "" }));
    await print(formatTable(shown, rows, { paddingCells: 2, columnCellsMin: 0 }));
    return 0;
  },
});
