/** `tspod images`. */
import { type ImageRecord, listImages } from "../image/index.ts";
import { formatDuration } from "../lib/duration.ts";
import { formatSize } from "../lib/size.ts";
import { familiarName, parseReference } from "../oci/index.ts";
import { defineCommand } from "./command.ts";
import { boolean, value } from "./flags.ts";
import { formatRows } from "./output/format.ts";
import { print } from "./output/print.ts";
import { formatTable } from "./output/table.ts";

interface ImageRow {
  ID: string;
  Repository: string;
  Tag: string;
  Digest: string;
  CreatedAt: string;
  CreatedSince: string;
  Size: string;
  Platform: string;
}

const columns = (
  [
    ["REPOSITORY", "Repository"],
    ["TAG", "Tag"],
    ["IMAGE ID", "ID"],
    ["CREATED", "CreatedSince"],
    ["SIZE", "Size"],
  ] as const
).map(([header, key]) => ({ header, field: key, cell: (row: ImageRow) => row[key] }));

const digestColumn = { header: "DIGEST", cell: (row: ImageRow) => row.Digest };
const shortIdLength = 12;
const none = "<none>";

export default defineCommand({
  path: ["images"],
  usage: "[IMAGE]",
  summary: "List images",
  flags: {
    all: boolean("-a,--all", "Also those without a name"),
    quiet: boolean("-q,--quiet", "Only ids"),
    noTrunc: boolean("--no-trunc", "Whole ids"),
    digests: boolean("--digests", "Show what the registry calls them"),
    format: value("--format", "TEMPLATE", "json, table or a Go template", ["json", "table"]),
  },
  args: { min: 0, max: 1, completes: "image" },
  async run(context, flags, [wanted]) {
    const isWanted = wanted === undefined ? () => true : nameMatcher(wanted);
    const rows = listImages(context)
      .flatMap((image) => imageRows(image, !flags.noTrunc))
      .filter(isWanted);
    const shown = flags.digests
      ? [...columns.slice(0, 2), digestColumn, ...columns.slice(2)]
      : columns;
    if (flags.quiet) await print([...new Set(rows.map(({ ID }) => `${ID}\n`))].join(""));
    else if (flags.format !== null) await print(await formatRows(flags.format, rows, shown));
    else await print(formatTable(shown, rows));
    return 0;
  },
});

/** One row a name, as docker has it. */
function imageRows(image: ImageRecord, isTruncated: boolean): ImageRow[] {
  const created = Date.parse(image.createdAt);
  const base = {
    ID: isTruncated ? image.id.replace("sha256:", "").slice(0, shortIdLength) : image.id,
    CreatedAt: image.createdAt,
    CreatedSince: Number.isNaN(created) ? "N/A" : `${formatDuration(Date.now() - created)} ago`,
    Size: formatSize(image.sizeBytes, { digits: 3 }),
    Platform: image.platform,
  };
  const names = image.names.length > 0 ? image.names : [{ reference: "", digest: "" }];
  return names.map(({ reference, digest }) => {
    const parsed = reference === "" ? null : parseReference(reference);
    return {
      ...base,
      Repository: parsed === null ? none : familiarName(parsed),
      Tag: parsed?.tag ?? none,
      Digest: digest === "" ? none : digest,
    };
  });
}

function nameMatcher(wanted: string): (row: ImageRow) => boolean {
  const reference = parseReference(wanted);
  const repository = familiarName(reference);
  const tag = wanted.endsWith(`:${reference.tag}`) ? reference.tag : undefined;
  return (row) => row.Repository === repository && (tag === undefined || row.Tag === tag);
}
