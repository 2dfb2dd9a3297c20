/** `tspod system prune`. */
import { pruneSystem } from "../../container/system-prune.ts";
import { formatSize } from "../../lib/size.ts";
import { defineCommand } from "../command.ts";
import { boolean, list } from "../flags.ts";
import { print } from "../output/print.ts";
import { confirm } from "../volume/confirm.ts";

export default defineCommand({
  path: ["system", "prune"],
  usage: "",
  summary: "Remove containers that do not run, networks and images that nobody needs",
  flags: {
    all: boolean("-a,--all", "Also images that have a name, when no container stands on them"),
    volumes: boolean("--volumes", "Also anonymous volumes that no container has"),
    force: boolean("-f,--force", "Do not ask"),
    filter: list("--filter", "KEY=VALUE", "until=TIME: older ones; label=KEY[=VALUE], label!="),
  },
  args: { min: 0, max: 0, completes: "none" },
  refused: {
    "--build": "tspod builds no images yet, so no build leaves anything behind",
    "--external": "tspod has no storage besides its own",
  },
  async run(context, flags) {
    const doomed = [
      "all containers that do not run",
      "all networks that no container is on",
      ...(flags.volumes ? ["all anonymous volumes without a container"] : []),
      flags.all ? "all images without a container" : "all images without a name",
    ];
    const sentence = `This will remove:\n${doomed.map((what) => `  - ${what}\n`).join("")}`;
    if (!flags.force && !(await confirm(sentence))) return 0;
    const { containers, networks, volumes, untagged, deleted, reclaimedBytes } = await pruneSystem(
      context,
      {
        ...{ all: flags.all, volumes: flags.volumes, filters: flags.filter },
      },
    );
    const lines = [
      ...section("Deleted Containers:", containers),
      ...section("Deleted Networks:", networks),
      ...section("Deleted Volumes:", volumes),
      ...section("Deleted Images:", [
        ...untagged.map((name) => `untagged: ${name}`),
        ...deleted.map((id) => `deleted: ${id}`),
      ]),
      `Total reclaimed space: ${formatSize(reclaimedBytes, { digits: 4 })}`,
    ];
    await print(`${lines.join("\n")}\n`);
    return 0;
  },
});

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [title, ...lines, ""];
}
