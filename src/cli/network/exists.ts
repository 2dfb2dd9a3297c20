/** `tspod network exists`: the exit code is the answer, 1 for no. */
import { findNetworkRecords } from "../../store/networks.ts";
import { defineCommand } from "../command.ts";

export default defineCommand({
  path: ["network", "exists"],
  usage: "NETWORK",
  summary: "Tell by the exit code whether there is such a network",
  flags: {},
  args: { min: 1, max: 1, completes: "network" },
  run(context, _, [name = ""]) {
    return Promise.resolve(findNetworkRecords(context.database, name).length === 1 ? 0 : 1);
  },
});
