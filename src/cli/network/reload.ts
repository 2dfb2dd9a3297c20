/**
 * `tspod network reload`: podman's word for making a network anew after somebody has flushed the host's firewall. There are
 * no rules of ours in it that could be lost, and a network whose process is killed comes back by itself.
 */
import { getContainer, isUp } from "../../container/index.ts";
import { TspodError } from "../../errors.ts";
import { defineCommand } from "../command.ts";
import { forEachArgument } from "../each.ts";
import { boolean } from "../flags.ts";
import { latestFlag, selectContainers } from "../options/selection.ts";

export default defineCommand({
  path: ["network", "reload"],
  usage: "[CONTAINER...]",
  summary: "Accepted: there are no firewall rules to be made anew",
  flags: { all: boolean("-a,--all", "All that run"), latest: latestFlag },
  args: { min: 0, max: Infinity, completes: "container" },
  async run(context, flags, args) {
    const isAll = ({ state }: { state: Parameters<typeof isUp>[0] }): boolean => isUp(state);
    const asked = { ...flags, args, isAll, command: "tspod network reload" };
    return forEachArgument(context, await selectContainers(context, asked), (name) => {
      const { id, name: itsName, state } = getContainer(context, name);
      if (isUp(state)) return Promise.resolve(id);
      throw new TspodError("container.not_running", `Container "${itsName}" is not running`, {
        next: `tspod start ${itsName} makes its network anew`,
      });
    });
  },
});
