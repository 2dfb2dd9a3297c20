/** `tspod system df`. */
import { diskUsage, type DiskUsage } from "../../container/disk-usage.ts";
import { formatDuration } from "../../lib/duration.ts";
import { formatSize } from "../../lib/size.ts";
import { defineCommand } from "../command.ts";
import { boolean, value } from "../flags.ts";
import { formatRows } from "../output/format.ts";
import { print } from "../output/print.ts";
import { psRow } from "../output/ps-row.ts";
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
    if (flags.format !== null) await print(await formatRows(flags.format, rows(usage), columns));
    else if (flags.verbose) await print(verbose(usage));
    else await print(formatTable(columns, rows(usage)));
    return 0;
  },
});

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

const bytes = (count: number): string => formatSize(count, { digits: 4 });

function verbose({ images, containers, volumes }: DiskUsage): string {
  const ago = (time: string): string => {
    const at = Date.parse(time);
    return Number.isNaN(at) ? "N/A" : `${formatDuration(Date.now() - at)} ago`;
  };
  const now = { nowMs: Date.now(), isTruncated: true };
  const imageTable = formatTable<DiskUsage["images"][number]>(
    [
      { header: "IMAGE", cell: ({ names }) => names[0] ?? "<none>" },
      { header: "IMAGE ID", cell: ({ id }) => id.replace("sha256:", "").slice(0, 12) },
      { header: "CREATED", cell: ({ createdAt }) => ago(createdAt) },
      { header: "SIZE", cell: ({ sizeBytes }) => bytes(sizeBytes) },
      { header: "SHARED SIZE", cell: ({ sharedBytes }) => bytes(sharedBytes) },
      {
        header: "UNIQUE SIZE",
        cell: ({ sizeBytes, sharedBytes }) => bytes(Math.max(0, sizeBytes - sharedBytes)),
      },
      { header: "CONTAINERS", cell: (image) => String(image.containers) },
    ],
    images,
  );
  const shown = containers.map(({ container, writableBytes }) => ({
    ...psRow(container, now),
    Size: bytes(writableBytes),
  }));
  const containerTable = formatTable<(typeof shown)[number]>(
    (
      [
        ["CONTAINER ID", "ID"],
        ["IMAGE", "Image"],
        ["COMMAND", "Command"],
        ["LOCAL VOLUMES", "LocalVolumes"],
        ["SIZE", "Size"],
        ["CREATED", "RunningFor"],
        ["STATUS", "Status"],
        ["NAMES", "Names"],
      ] as const
    ).map(([header, field]) => ({ header, cell: (each) => each[field] })),
    shown,
  );
  const volumeTable = formatTable<DiskUsage["volumes"][number]>(
    [
      { header: "VOLUME NAME", cell: ({ name }) => name },
      { header: "LINKS", cell: ({ links }) => String(links) },
      { header: "SIZE", cell: ({ sizeBytes }) => bytes(sizeBytes) },
    ],
    volumes,
  );
  return [
    `Images space usage:\n\n${imageTable}`,
    `Containers space usage:\n\n${containerTable}`,
    `Local Volumes space usage:\n\n${volumeTable}`,
  ].join("\n");
}
