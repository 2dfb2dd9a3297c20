/** What `system df -v` shows: each image, container and volume, in docker's columns and with its fields. Pure. */
import type { DiskUsage } from "../../container/disk-usage.ts";
import { formatDuration } from "../../lib/duration.ts";
import { formatSize } from "../../lib/size.ts";
import { familiarName, parseReference } from "../../oci/index.ts";
import { psRow } from "./ps-row.ts";
import { formatTable } from "./table.ts";

export const bytes = (count: number): string => formatSize(count, { digits: 4 });

/** Everything at once, for `--format`. */
export function everyRow({ images, containers, volumes }: DiskUsage) {
  const nowMs = Date.now();
  return {
    Images: images.map((image) => imageRow(image, nowMs)),
    Containers: containers.map(({ container, writableBytes }) => ({
      ...psRow(container, { nowMs, isTruncated: true }),
      Size: bytes(writableBytes),
    })),
    Volumes: volumes.map(({ name, links, sizeBytes }) => ({
      ...{ Name: name, Driver: "local", Scope: "local" },
      ...{ Links: String(links), Size: bytes(sizeBytes) },
    })),
    /** Nothing is built here, so nothing is kept for it. */
    BuildCache: [],
  };
}

const none = "<none>";

function imageRow(
  { id, names, createdAt, sizeBytes, sharedBytes, containers }: DiskUsage["images"][number],
  nowMs: number,
) {
  const [name] = names;
  const reference = name === undefined ? null : parseReference(name);
  const createdMs = Date.parse(createdAt);
  const size = bytes(sizeBytes);
  return {
    Repository: reference === null ? none : familiarName(reference),
    Tag: reference?.tag ?? none,
    ID: id.replace("sha256:", "").slice(0, 12),
    CreatedAt: createdAt,
    CreatedSince: Number.isNaN(createdMs) ? "N/A" : `${formatDuration(nowMs - createdMs)} ago`,
    ...{ Size: size, VirtualSize: size, SharedSize: bytes(sharedBytes) },
    UniqueSize: bytes(Math.max(0, sizeBytes - sharedBytes)),
    Containers: String(containers),
  };
}

type Rows = ReturnType<typeof everyRow>;

export function verboseTables(usage: DiskUsage): string {
  const { Images, Containers, Volumes } = everyRow(usage);
  const images = table<Rows["Images"][number]>(Images, [
    ["REPOSITORY", "Repository"],
    ["TAG", "Tag"],
    ["IMAGE ID", "ID"],
    ["CREATED", "CreatedSince"],
    ["SIZE", "Size"],
    ["SHARED SIZE", "SharedSize"],
    ["UNIQUE SIZE", "UniqueSize"],
    ["CONTAINERS", "Containers"],
  ]);
  const containers = table<Rows["Containers"][number]>(Containers, [
    ["CONTAINER ID", "ID"],
    ["IMAGE", "Image"],
    ["COMMAND", "Command"],
    ["LOCAL VOLUMES", "LocalVolumes"],
    ["SIZE", "Size"],
    ["CREATED", "RunningFor"],
    ["STATUS", "Status"],
    ["NAMES", "Names"],
  ]);
  const volumes = table<Rows["Volumes"][number]>(Volumes, [
    ["VOLUME NAME", "Name"],
    ["LINKS", "Links"],
    ["SIZE", "Size"],
  ]);
  return [
    `Images space usage:\n\n${images}`,
    `Containers space usage:\n\n${containers}`,
    `Local Volumes space usage:\n\n${volumes}`,
  ].join("\n");
}

function table<Row extends object>(
  rows: Row[],
  columns: readonly (readonly [header: string, field: keyof Row])[],
): string {
  return formatTable<Row>(
    columns.map(([header, field]) => ({ header, cell: (row) => String(row[field]) })),
    rows,
  );
}
