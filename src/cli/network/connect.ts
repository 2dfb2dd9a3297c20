/** `tspod network connect`. */
import { connectContainer } from "../../container/connect.ts";
import { getContainer } from "../../container/index.ts";
import {
  addressOfKind,
  anyAddress,
  parseMac,
  parseNetworkAlias,
  plainUse,
} from "../../network/index.ts";
import { getNetwork } from "../../network/records.ts";
import { defineCommand } from "../command.ts";
import { list, value } from "../flags.ts";

const noLinks = "containers find each other by name on a network: there are no links";

export default defineCommand({
  path: ["network", "connect"],
  usage: "NETWORK CONTAINER",
  summary: "Bring a container to one more network, at once when it runs",
  examples: [["With one more name there", "tspod network connect --alias db backend postgres"]],
  flags: {
    alias: list("--alias", "NAME", "One more name of the container on this network"),
    ip: value("--ip", "ADDRESS", "Its address there"),
    ip6: value("--ip6", "ADDRESS", "Its IPv6 address there"),
    macAddress: value("--mac-address", "ADDRESS", "Its hardware address there"),
  },
  args: { min: 2, max: 2, completes: "network", then: "container" },
  refused: {
    ...{ "--link": noLinks, "--link-local-ip": noLinks },
    "--driver-opt": "there is no driver to choose",
    "--gw-priority": "the first network with a way out has it",
  },
  async run(context, flags, [network = "", name = ""]) {
    const use = {
      ...plainUse(network),
      aliases: flags.alias.map(parseNetworkAlias),
      ...(flags.ip === null ? {} : anyAddress("--ip", flags.ip)),
      ...(flags.ip6 === null ? {} : { address6: addressOfKind("--ip6", flags.ip6) }),
      ...(flags.macAddress === null ? {} : { mac: parseMac("--mac-address", flags.macAddress) }),
    };
    const record = getNetwork(context, network);
    await connectContainer(context, getContainer(context, name), record, use);
    return 0;
  },
});
