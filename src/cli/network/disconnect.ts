/** `tspod network disconnect`. */
import { disconnectContainer } from "../../container/connect.ts";
import { getContainer } from "../../container/index.ts";
import { getNetwork } from "../../network/records.ts";
import { defineCommand } from "../command.ts";
import { boolean } from "../flags.ts";

export default defineCommand({
  path: ["network", "disconnect"],
  usage: "NETWORK CONTAINER",
  summary: "Take a container away from a network, at once when it runs",
  flags: { force: boolean("-f,--force", "Also when its monitor does not answer") },
  args: { min: 2, max: 2, completes: "network", then: "container" },
  async run(context, flags, [network = "", name = ""]) {
    const record = getNetwork(context, network);
    await disconnectContainer(context, getContainer(context, name), record, flags);
    return 0;
  },
});
