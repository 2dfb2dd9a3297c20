/** `tspod volume ls`. */
import {
  inspectVolume,
  listVolumes,
  mountpoint,
  type Volume,
  volumeUsage,
} from "../../volume/index.ts";
import { formatSize } from "../../lib/size.ts";
import { type CliContext, defineCommand } from "../command.ts";
import { boolean, list, value } from "../flags.ts";
import { formatRows } from "../output/format.ts";
import { print } from "../output/print.ts";
import { formatTable } from "../output/table.ts";
import { volumeFilter } from "./filters.ts";

type Row = ReturnType<typeof volumeRow>;

const columns = [
  { header: "DRIVER", field: "Driver", cell: (row: Row) => row.Driver },
  { header: "VOLUME NAME", field: "Name", cell: (row: Row) => row.Name },
];

export default defineCommand({
  path: ["volume", "ls"],
  usage: "",
  summary: "List volumes",
  flags: {
    filter: list(
      "-f,--filter",
      "KEY=VALUE",
      "name, label, driver, dangling, since, until, opt or anonymous",
    ),
    format: value("--format", "TEMPLATE", "json, table or a Go template", ["json", "table"]),
    noheading: boolean("-n,--noheading", "No line of headers"),
    quiet: boolean("-q,--quiet", "Only names"),
  },
  args: { min: 0, max: 0, completes: "none" },
  async run(context, flags) {
    const matches = volumeFilter(context, flags.filter);
    const isTemplate = flags.format?.includes("{{") === true;
    const rows = listVolumes(context)
      .filter(matches)
      .map((volume) => {
        const row = volumeRow(context, volume);
        return isTemplate ? withOtherFields(context, row, volume) : row;
      });
    if (flags.quiet) await print(rows.map(({ Name }) => `${Name}\n`).join(""));
    else if (flags.format !== null) await print(await formatRows(flags.format, rows, columns));
    else await print(formatTable(columns, rows, { isHeaderless: flags.noheading }));
    return 0;
  },
});

/** What only a template asks for by name: podman's, and docker's of clusters. */
function withOtherFields(context: CliContext, row: Row, volume: Volume): Row {
  const others = [
    "MountCount",
    "NeedsCopyUp",
    "NeedsChown",
    "StorageID",
    "Timeout",
    "Status",
  ] as const;
  const owner = ["UID", "GID"] as const;
  const get = (name: (typeof others | typeof owner)[number]) => ({
    get: () => inspectVolume(context, volume)[name],
  });
  return Object.defineProperties(row, {
    ...Object.fromEntries([...others, ...owner].map((name) => [name, get(name)])),
    ...{ Availability: { value: "N/A" }, Group: { value: "N/A" } },
  });
}

/** Docker's fields, and podman's where docker has none. */
function volumeRow(context: CliContext, volume: Volume) {
  const pairs = (record: Record<string, string>): string =>
    Object.entries(record)
      .map(([key, text]) => `${key}=${text}`)
      .join(",");
  return {
    Driver: "local",
    Name: volume.name,
    Scope: "local",
    Mountpoint: mountpoint(context.paths, volume),
    Labels: pairs(volume.labels),
    /** `{{.Label "com.example.owner"}}`; JSON leaves it away. */
    Label: (name: string): string =>
      Object.hasOwn(volume.labels, name) ? (volume.labels[name] ?? "") : "",
    Options: pairs(volume.options),
    CreatedAt: volume.createdAt,
    Anonymous: volume.isAnonymous,
    Links: String(volume.useCount),
    // measured only when somebody asks
    get Size(): string {
      return formatSize(volumeUsage(context, volume.name));
    },
  };
}
