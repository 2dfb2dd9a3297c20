/** `tspod system df`. */
import { diskUsage, type DiskUsage } from "../../container/disk-usage.ts";
import { defineCommand } from "../command.ts";
import { boolean, value } from "../flags.ts";
import { bytes, everyRow, verboseTables } from "../output/df-rows.ts";
import { formatRows } from "../output/format.ts";
import { formatObject } from "../output/objects.ts";
import { print } from "../output/print.ts";
import { formatTable } from "../output/table.ts";

interface Row {
  Type: string;
  TotalCount: string;
  Total: number;
  Active: string;
  Size: string;
  Reclaimable: string;
  RawSize: number;
  RawReclaimable: number;
}

const columns = (
  [
    ["TYPE", "Type"],
    ["TOTAL", "TotalCount"],
    ["ACTIVE", "Active"],
    ["SIZE", "Size"],
    ["RECLAIMABLE", "Reclaimable"],
  ] as const
).map(([header, field]) => ({ header, field, cell: (row: Row) => row[field] }));

export default defineCommand({
  path: ["system", "df"],
  usage: "",
  summary: "Show what images, containers and volumes take of the disk",
  flags: {
    verbose: boolean("-v,--verbose", "Each of them"),
    format: value("--format", "TEMPLATE", "json, table or a Go template", ["json", "table"]),
  },
  args: { min: 0, max: 0, completes: "none" },
  async run(context, flags) {
    const usage = await diskUsage(context);
    await print(await shown(usage, flags));
    return 0;
  },
});

/** With both, docker's template is for all of it at once. */
async function shown(
  usage: DiskUsage,
  { verbose, format }: { verbose: boolean; format: string | null },
): Promise<string> {
  if (format === null) return verbose ? verboseTables(usage) : formatTable(columns, rows(usage));
  if (verbose && format !== "table") return formatObject(format, everyRow(usage));
  return formatRows(format, rows(usage), columns);
}

function rows({
  images,
  imageBytes,
  reclaimableImageBytes,
  containers,
  volumes,
}: DiskUsage): Row[] {
  const isIdle = ({ container }: DiskUsage["containers"][number]): boolean =>
    container.state.status !== "running";
  const idle = containers.filter(isIdle);
  const unused = volumes.filter(({ links }) => links === 0);
  const bytesOf = (all: { writableBytes: number }[]): number =>
    all.reduce((sum, { writableBytes }) => sum + writableBytes, 0);
  const sizeOf = (all: { sizeBytes: number }[]): number =>
    all.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const used = images.filter((image) => image.containers > 0).length;
  return [
    row("Images", images.length, used, imageBytes, reclaimableImageBytes),
    row(
      "Containers",
      containers.length,
      containers.length - idle.length,
      bytesOf(containers),
      bytesOf(idle),
    ),
    row(
      "Local Volumes",
      volumes.length,
      volumes.length - unused.length,
      sizeOf(volumes),
      sizeOf(unused),
    ),
  ];
}

function row(type: string, total: number, active: number, size: number, reclaimable: number): Row {
  const percent = size === 0 ? 0 : Math.round((100 * reclaimable) / size);
  return {
    Type: type,
    ...{ TotalCount: String(total), Total: total, Active: String(active) },
    Size: bytes(size),
    Reclaimable: `${bytes(reclaimable)} (${percent}%)`,
    ...{ RawSize: size, RawReclaimable: reclaimable },
  };
}
