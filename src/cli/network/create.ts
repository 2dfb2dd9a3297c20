/** `tspod network create`. */
import { TspodError } from "../../errors.ts";
import { createNetwork, parseNetworkName } from "../../network/records.ts";
import { defineCommand } from "../command.ts";
import { boolean, list, value } from "../flags.ts";
import { parseLabels } from "../options/labels.ts";
import { print } from "../output/print.ts";
import { parseNetworkFlags, requireBridge } from "./values.ts";

const noBridge = "there is no bridge: a network is a process that hands packets on";
const noSwarm = "there are no swarms";
const noRoutes = "a network has one gateway, which knows the way";

export default defineCommand({
  path: ["network", "create"],
  usage: "[NAME]",
  summary: "Create a network that containers find each other on",
  examples: [
    ["Two containers, one of which is called by its name", "tspod network create backend"],
    ["Nothing leads out of it", "tspod network create --internal vault"],
    ["Addresses of one's own", "tspod network create --subnet 10.77.0.0/24 --ipv6 lab"],
  ],
  flags: {
    subnet: list("--subnet", "ADDRESS/BITS", "Its addresses: one IPv4 and one IPv6 subnet at most"),
    gateway: list("--gateway", "ADDRESS", "Where the way out and the name server are"),
    ipRange: list("--ip-range", "ADDRESS/BITS|FIRST-LAST", "Take containers' addresses from there"),
    ipv4: { ...boolean("--ipv4", "IPv4, which every network has"), isOnByDefault: true },
    ipv6: boolean("--ipv6", "IPv6 as well, with a free subnet"),
    internal: boolean("--internal", "No way out, not even to the host"),
    disableDns: boolean("--disable-dns", "Containers do not find each other by name"),
    dns: list("--dns", "ADDRESS", "A name server to ask, instead of the host's"),
    driver: value("-d,--driver", "DRIVER", "bridge is the only one", ["bridge"]),
    opt: list("-o,--opt", "KEY=VALUE", "mtu=, isolate= and no_default_route="),
    label: list("--label", "KEY=VALUE", "Attach a label"),
    interfaceName: value("--interface-name", "NAME", "Written down: there is no bridge to call so"),
    ipamDriver: value("--ipam-driver", "DRIVER", "host-local is the only one", ["host-local"]),
    attachable: boolean("--attachable", "Accepted: every network is"),
    ignore: boolean("--ignore", "One that is there already is no error"),
  },
  args: { min: 0, max: 1, completes: "none" },
  refused: {
    "--aux-address": "keep addresses out of the way with --ip-range",
    ...{ "--route": noRoutes, "--ipam-opt": noBridge },
    ...{ "--scope": noSwarm, "--ingress": noSwarm },
    ...{ "--config-only": noSwarm, "--config-from": noSwarm },
  },
  async run(context, flags, [name]) {
    if (flags.driver !== null) requireBridge(flags.driver);
    if (!flags.ipv4) {
      throw new TspodError("usage", "Cannot use --ipv4=false: every network has IPv4 addresses", {
        next: "leave it away; --ipv6 adds IPv6",
      });
    }
    const { ipamDriver } = flags;
    if (ipamDriver !== null && ipamDriver !== "host-local" && ipamDriver !== "default") {
      throw new TspodError("usage", `There is no --ipam-driver "${ipamDriver}"`, {
        next: "leave it away: addresses are chosen here, and need no server",
      });
    }
    const record = createNetwork(
      context,
      {
        name: name === undefined ? null : parseNetworkName(name),
        labels: parseLabels(flags.label),
        ...parseNetworkFlags(flags),
      },
      { ignoresExisting: flags.ignore },
    );
    await print(`${record.name}\n`);
    return 0;
  },
});
