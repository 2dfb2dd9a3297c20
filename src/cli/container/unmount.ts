/** `tspod container unmount`, `tspod unmount`, `tspod umount`. */
import { getContainer, getLatest, loadRootMount } from "../../container/index.ts";
import { TspodError } from "../../errors.ts";
import { defineCommand } from "../command.ts";
import { forEachArgument } from "../each.ts";
import { boolean } from "../flags.ts";
import { latestFlag } from "../options/selection-flags.ts";

export default defineCommand({
  path: ["container", "unmount"],
  usage: "CONTAINER [CONTAINER...]",
  summary: "Take away what container mount shows",
  flags: {
    all: boolean("-a,--all", "Every mounted container"),
    latest: latestFlag,
    force: boolean("-f,--force", "For podman's scripts: what is in use goes when it no longer is"),
  },
  args: { min: 0, max: Infinity, completes: "container" },
  async run(context, { all, latest }, args) {
    if (args.length === 0 && !all && !latest) {
      throw new TspodError("usage", '"tspod unmount" needs a container', {
        next: "name one, or -a for all; tspod mount lists them",
      });
    }
    const { listMounted, unmountContainer } = await loadRootMount();
    const mounted = (await listMounted(context)).map(({ id }) => id);
    const names = all ? mounted : latest ? [getLatest(context).id] : args;
    return forEachArgument(context, names, async (name) => {
      const id = mounted.find((one) => one === name) ?? getContainer(context, name).id;
      if (await unmountContainer(context, id)) return name;
      throw new TspodError("usage", `Cannot unmount container "${name}": it is not mounted`, {
        next: "tspod mount lists those that are",
      });
    });
  },
});
