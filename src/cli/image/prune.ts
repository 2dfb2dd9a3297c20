/** `tspod image prune`. */
import { loadPrune, loadSelect, type PrunedImages } from "../../image/index.ts";
import { formatSize } from "../../lib/size.ts";
import { defineCommand } from "../command.ts";
import { boolean, list } from "../flags.ts";
import { print } from "../output/print.ts";
import { confirm } from "../volume/confirm.ts";

export default defineCommand({
  path: ["image", "prune"],
  usage: "",
  summary: "Remove images that have no name, when no container stands on them",
  flags: {
    all: boolean("-a,--all", "Also those that have a name"),
    force: boolean("-f,--force", "Do not ask"),
    filter: list("--filter", "KEY=VALUE", "until=TIME: older ones; label, label!, reference, ..."),
    dryRun: boolean("--dry-run", "Only say what would go, and what that would free"),
  },
  args: { min: 0, max: 0, completes: "none" },
  refused: {
    "--build-cache": "tspod builds no images yet, so no build leaves anything behind",
    "--external": "tspod has no storage besides its own",
  },
  async run(context, flags) {
    const { imageFilter } = await loadSelect();
    const matches = imageFilter(context, flags.filter, Date.parse(context.now()));
    const which = flags.all ? "all images" : "all images without a name";
    const sentence = `This will remove ${which} that no container stands on.`;
    if (!flags.force && !flags.dryRun && !(await confirm(sentence))) return 0;
    const { pruneImages } = await loadPrune();
    const pruned = await pruneImages(context, { all: flags.all, matches, isDry: flags.dryRun });
    await print(flags.dryRun ? foreseen(pruned) : done(pruned));
    return 0;
  },
});

const lines = ({ untagged, deleted }: PrunedImages): string[] => [
  ...untagged.map((name) => `untagged: ${name}`),
  ...deleted.map((id) => `deleted: ${id}`),
];

function done(pruned: PrunedImages): string {
  const what = lines(pruned);
  const told = what.length === 0 ? [] : ["Deleted Images:", ...what, ""];
  return `${[...told, `Total reclaimed space: ${bytes(pruned)}`].join("\n")}\n`;
}

function foreseen(pruned: PrunedImages): string {
  const what = lines(pruned);
  const told = what.length === 0 ? [] : ["Would delete images:", ...what, ""];
  return `${[...told, `Would reclaim space: ${bytes(pruned)}`].join("\n")}\n`;
}

const bytes = ({ freedBytes }: PrunedImages): string => formatSize(freedBytes, { digits: 4 });
