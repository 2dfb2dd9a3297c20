/** `tspod network update`: podman's, which changes the name servers of a network and nothing else. */
import { changeServers } from "../../container/update-network.ts";
import { TspodError } from "../../errors.ts";
import { getNetwork } from "../../network/records.ts";
import { defineCommand } from "../command.ts";
import { list } from "../flags.ts";
import { print } from "../output/print.ts";
import { parseServers } from "./values.ts";

export default defineCommand({
  path: ["network", "update"],
  usage: "NETWORK",
  summary: "Change whom a network asks for names, at once for containers that run",
  examples: [
    [
      "One instead of another",
      "tspod network update --dns-drop 8.8.8.8 --dns-add 192.168.1.1 backend",
    ],
  ],
  flags: {
    dnsAdd: list("--dns-add", "ADDRESS", "A name server to ask, after those it has"),
    dnsDrop: list("--dns-drop", "ADDRESS", "One to ask no more; without any the host's are asked"),
  },
  args: { min: 1, max: 1, completes: "network" },
  async run(context, flags, [name = ""]) {
    const add = parseServers("--dns-add", flags.dnsAdd);
    const drop = parseServers("--dns-drop", flags.dnsDrop);
    if (add.length + drop.length === 0) {
      throw new TspodError("usage", "There is nothing to change", {
        next: "give --dns-add ADDRESS or --dns-drop ADDRESS",
      });
    }
    await changeServers(context, getNetwork(context, name), { add, drop });
    await print(`${name}\n`);
    return 0;
  },
});
