/** `tspod network prune`. */
import { networkPruneFilter, pruneNetworks } from "../../network/records.ts";
import { listNetworkRecords } from "../../store/networks.ts";
import { defineCommand } from "../command.ts";
import { boolean, list } from "../flags.ts";
import { print } from "../output/print.ts";
import { confirm } from "../volume/confirm.ts";

export default defineCommand({
  path: ["network", "prune"],
  usage: "",
  summary: "Remove networks that no container is on, whether it runs or not",
  flags: {
    filter: list("--filter", "KEY=VALUE", "label or until"),
    force: boolean("-f,--force", "Do not ask"),
  },
  args: { min: 0, max: 0, completes: "none" },
  async run(context, flags) {
    const matches = networkPruneFilter(flags.filter);
    const sentence = "This will remove every network that no container is on.";
    if (!flags.force && !(await confirm(sentence))) return 0;
    const pruned = pruneNetworks(context, listNetworkRecords(context.database).filter(matches));
    if (pruned.length > 0) {
      await print(`Deleted Networks:\n${pruned.map(({ name }) => `${name}\n`).join("")}\n`);
    }
    return 0;
  },
});
