/** `tspod container mount`, `tspod mount`. */
import {
  findContainer,
  getContainer,
  isUp,
  loadRootMount,
  type MountedContainer,
} from "../../container/index.ts";
import { TspodError } from "../../errors.ts";
import { type CliContext, defineCommand } from "../command.ts";
import { boolean, value } from "../flags.ts";
import { latestFlag, selectContainers } from "../options/selection.ts";
import { print } from "../output/print.ts";

export default defineCommand({
  path: ["container", "mount"],
  usage: "[CONTAINER...]",
  summary:
    "Show the root of containers that do not run in a directory; without one, what is mounted",
  examples: [
    [
      "Change a container's files with the host's tools",
      "tspod unshare sh -c 'cp file $(tspod mount web)/etc'",
    ],
  ],
  flags: {
    all: boolean("-a,--all", "Every container that does not run"),
    latest: latestFlag,
    format: value("--format", "FORMAT", "json", ["json"]),
    noTrunc: boolean("--no-trunc,--notruncate", "Whole ids in the list"),
  },
  args: { min: 0, max: Infinity, completes: "container" },
  refused: { "--external": "only containers of tspod's own are in its store" },
  check({ format }) {
    if (format === null || format === "json") return;
    throw new TspodError("usage", `Invalid --format "${format}"`, { next: "use json" });
  },
  async run(context, { all, latest, format, noTrunc }, args) {
    const { listMounted, mountContainer } = await loadRootMount();
    const isList = args.length === 0 && !all && !latest;
    const names = isList
      ? []
      : await selectContainers(context, {
          ...{ args, all, latest, command: "tspod mount" },
          isAll: ({ state }) => !isUp(state),
        });
    const mounted: MountedContainer[] = isList ? await listMounted(context) : [];
    for (const name of names) {
      const container = getContainer(context, name);
      mounted.push({ id: container.id, path: await mountContainer(context, container) });
    }
    const [first, ...others] = mounted;
    const isOne = first !== undefined && others.length === 0 && !isList && !all && format === null;
    if (isOne) await print(`${first.path}\n`);
    else await print(listed(context, mounted, { format, noTrunc }));
    return 0;
  },
});

function listed(
  context: CliContext,
  mounted: readonly MountedContainer[],
  { format, noTrunc }: { format: string | null; noTrunc: boolean },
): string {
  if (format === null) {
    return mounted.map(({ id, path }) => `${noTrunc ? id : id.slice(0, 12)}\t${path}\n`).join("");
  }
  const rows = mounted.map(({ id, path }) => {
    const name = findContainer(context, id)?.name;
    return { id, Names: name === undefined ? [] : [name], mountpoint: path };
  });
  return `${JSON.stringify(rows, null, 1)}\n`;
}
