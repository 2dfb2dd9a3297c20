/** `tspod network inspect`. */
import { getNetwork, inspectNetwork } from "../../network/records.ts";
import { defineCommand } from "../command.ts";
import { forEachArgument } from "../each.ts";
import { boolean, value } from "../flags.ts";
import { formatObjects } from "../output/objects.ts";
import { print } from "../output/print.ts";

export default defineCommand({
  path: ["network", "inspect"],
  usage: "NETWORK [NETWORK...]",
  summary: "Show everything about networks",
  examples: [
    ["Its subnet", "tspod network inspect -f '{{range .Subnets}}{{.Subnet}}{{end}}' backend"],
  ],
  flags: {
    format: value("-f,--format", "TEMPLATE", "json or a Go template", ["json"]),
    verbose: boolean("-v,--verbose", "Accepted: everything is shown"),
  },
  args: { min: 1, max: Infinity, completes: "network" },
  async run(context, flags, args) {
    const objects: object[] = [];
    const status = await forEachArgument(context, args, (name) => {
      objects.push(inspectNetwork(context, getNetwork(context, name)));
      return Promise.resolve(null);
    });
    await print(await formatObjects(flags.format, objects));
    return status;
  },
});
