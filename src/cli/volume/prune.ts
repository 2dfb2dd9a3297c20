/** `tspod volume prune`: as docker has it, only what has no name of its own unless --all says so. */
import { formatSize } from "../../lib/size.ts";
import { listVolumes, pruneVolumes, volumeUsage } from "../../volume/index.ts";
import { defineCommand } from "../command.ts";
import { boolean, list } from "../flags.ts";
import { print } from "../output/print.ts";
import { confirm } from "./confirm.ts";
import { volumeFilter } from "./filters.ts";

export default defineCommand({
  path: ["volume", "prune"],
  usage: "",
  summary: "Remove anonymous volumes that no container uses",
  flags: {
    all: boolean("-a,--all", "Also those that have a name"),
    filter: list("--filter", "KEY=VALUE", "label, until, name, driver, opt or anonymous"),
    force: boolean("-f,--force", "Do not ask"),
  },
  args: { min: 0, max: 0, completes: "none" },
  async run(context, flags) {
    const matches = volumeFilter(context, flags.filter);
    const which = flags.all ? "every volume" : "every anonymous volume";
    if (!flags.force && !(await confirm(`This will remove ${which} that no container uses.`))) {
      return 0;
    }
    const candidates = listVolumes(context)
      .filter(({ useCount, isAnonymous }) => useCount === 0 && (flags.all || isAnonymous))
      .filter(matches);
    const pruned = await pruneVolumes(context, candidates, ({ name }) =>
      volumeUsage(context, name),
    );
    if (pruned.length > 0) {
      await print(`Deleted Volumes:\n${pruned.map(({ name }) => `${name}\n`).join("")}\n`);
    }
    const sizeBytes = pruned.reduce((sum, one) => sum + one.sizeBytes, 0);
    await print(`Total reclaimed space: ${formatSize(sizeBytes)}\n`);
    return 0;
  },
});
