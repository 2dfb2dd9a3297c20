/** `tspod network ls`. */
import { describeNetwork, networkFilter } from "../../network/records.ts";
import { listNetworkRecords, type NetworkRecord } from "../../store/networks.ts";
import { defineCommand } from "../command.ts";
import { boolean, list, value } from "../flags.ts";
import { formatRows } from "../output/format.ts";
import { print } from "../output/print.ts";
import { formatTable } from "../output/table.ts";

type Row = ReturnType<typeof networkRow>;

const columns = (
  [
    ["NETWORK ID", "ID"],
    ["NAME", "Name"],
    ["DRIVER", "Driver"],
  ] as const
).map(([header, field]) => ({ header, field, cell: (row: Row) => row[field] }));

export default defineCommand({
  path: ["network", "ls"],
  usage: "",
  summary: "List networks",
  flags: {
    filter: list(
      "-f,--filter",
      "KEY=VALUE",
      "name, id, label, driver, type, scope, dangling or until",
    ),
    format: value("--format", "TEMPLATE", "json, table or a Go template", ["json", "table"]),
    noheading: boolean("-n,--noheading", "No line of headers"),
    noTrunc: boolean("--no-trunc", "Whole ids"),
    quiet: boolean("-q,--quiet", "Only names"),
  },
  args: { min: 0, max: 0, completes: "none" },
  async run(context, flags) {
    const matches = networkFilter(context, flags.filter);
    const rows = listNetworkRecords(context.database)
      .filter(matches)
      .map((network) => networkRow(network, { isTruncated: !flags.noTrunc }));
    if (flags.quiet) await print(rows.map(({ Name }) => `${Name}\n`).join(""));
    else if (flags.format !== null) await print(await formatRows(flags.format, rows, columns));
    else await print(formatTable(columns, rows, { isHeaderless: flags.noheading }));
    return 0;
  },
});

const shortIdLength = 12;

const pairs = (record: Record<string, string>): string =>
  Object.entries(record)
    .map(([key, text]) => `${key}=${text}`)
    .join(",");

/** Docker's fields, and podman's where docker has none. */
function networkRow(network: NetworkRecord, { isTruncated }: { isTruncated: boolean }) {
  const { id, labels } = network;
  const { Name, Driver, Scope, Subnets, NetworkInterface, Created } = describeNetwork(network);
  return {
    ID: isTruncated ? id.slice(0, shortIdLength) : id,
    ...{ Name, Driver, Scope, Subnets, NetworkInterface, Created },
    CreatedAt: Created,
    IPv4: "true",
    IPv6: String(network.subnet6 !== null),
    Internal: String(network.isInternal),
    IPv6Enabled: network.subnet6 !== null,
    DNSEnabled: network.hasNames,
    Options: pairs(network.options),
    IPAMOptions: pairs({ driver: "host-local" }),
    Labels: pairs(labels),
    /** `{{.Label "com.example.owner"}}`; JSON leaves it away. */
    Label: (name: string): string => (Object.hasOwn(labels, name) ? (labels[name] ?? "") : ""),
  };
}
