/** `tspod container prune`. */
import { pruneContainers } from "../../container/prune.ts";
import { formatSize } from "../../lib/size.ts";
import { defineCommand } from "../command.ts";
import { boolean, list } from "../flags.ts";
import { print } from "../output/print.ts";
import { confirm } from "../volume/confirm.ts";

export default defineCommand({
  path: ["container", "prune"],
  usage: "",
  summary: "Remove all containers that do not run",
  flags: {
    force: boolean("-f,--force", "Do not ask"),
    filter: list("--filter", "KEY=VALUE", "until=TIME: older ones; label=KEY[=VALUE], label!="),
  },
  args: { min: 0, max: 0, completes: "none" },
  async run(context, flags) {
    const sentence = "This will remove all containers that do not run.";
    if (!flags.force && !(await confirm(sentence))) return 0;
    const { ids, reclaimedBytes } = await pruneContainers(context, flags.filter);
    const lines = ids.length === 0 ? [] : ["Deleted Containers:", ...ids, ""];
    const total = `Total reclaimed space: ${formatSize(reclaimedBytes, { digits: 4 })}`;
    await print(`${[...lines, total].join("\n")}\n`);
    return 0;
  },
});
