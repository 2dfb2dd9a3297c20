/** `tspod history`. */
import { type HistoryStep, inspectImage, loadHistory } from "../image/index.ts";
import { formatDuration } from "../lib/duration.ts";
import { formatSize } from "../lib/size.ts";
import { defineCommand } from "./command.ts";
import { boolean, value } from "./flags.ts";
import { formatRows } from "./output/format.ts";
import { print } from "./output/print.ts";
import { ellipsis, formatTable } from "./output/table.ts";

type Row = ReturnType<typeof historyRow>;

const columns = (
  [
    ["IMAGE", "ID"],
    ["CREATED", "CreatedSince"],
    ["CREATED BY", "CreatedBy"],
    ["SIZE", "Size"],
    ["COMMENT", "Comment"],
  ] as const
).map(([header, key]) => ({ header, field: key, cell: (row: Row) => row[key] }));

/** With --human=false: a moment, not how long ago. */
const exactColumns = columns.map((column) =>
  column.field === "CreatedSince"
    ? { header: "CREATED AT", field: "CreatedAt" as const, cell: (row: Row) => row.CreatedAt }
    : column,
);

const createdByCells = 45; // docker's
const shortIdLength = 12;
/** Docker's word for a step that is no image of its own. */
const missing = "<missing>";

export default defineCommand({
  path: ["history"],
  usage: "IMAGE",
  summary: "Show how an image came to be, the newest step first",
  flags: {
    format: value("--format", "TEMPLATE", "json, table or a Go template", ["json", "table"]),
    human: {
      ...boolean("-H,--human", "Sizes and times as people read them"),
      isOnByDefault: true,
    },
    noTrunc: boolean("--no-trunc", "Whole ids and commands"),
    quiet: boolean("-q,--quiet", "Only ids"),
  },
  args: { min: 1, max: 1, completes: "image" },
  refused: { "--platform": "each image here is for one platform, which its name or id says" },
  async run(context, flags, [name = ""]) {
    const { imageHistory } = await loadHistory();
    const image = inspectImage(context, name);
    const nowMs = Date.parse(context.now());
    const options = { isHuman: flags.human, isTruncated: !flags.noTrunc, nowMs };
    const rows = imageHistory(context, image).map((step, at) =>
      historyRow(step, { ...options, id: at === 0 ? image.id : missing }),
    );
    if (flags.format?.includes("{{") === true) {
      // podman's words for templates
      rows.forEach((row, at) => {
        const tags = at === 0 ? image.names.map(({ reference }) => reference) : [];
        Object.assign(row, { Created: row.CreatedSince, Tags: tags });
      });
    }
    const shown = flags.human ? columns : exactColumns;
    if (flags.quiet) await print(rows.map(({ ID }) => `${ID}\n`).join(""));
    else if (flags.format !== null) await print(await formatRows(flags.format, rows, shown));
    else await print(formatTable(shown, rows));
    return 0;
  },
});

interface RowOptions {
  id: string;
  isHuman: boolean;
  isTruncated: boolean;
  nowMs: number;
}

function historyRow(
  { created, createdBy, comment, sizeBytes }: HistoryStep,
  { id, isHuman, isTruncated, nowMs }: RowOptions,
) {
  const createdMs = Date.parse(created);
  const words = createdBy.replaceAll("\t", " ");
  return {
    ID: isTruncated ? id.replace("sha256:", "").slice(0, shortIdLength) : id,
    CreatedAt: created,
    CreatedSince: Number.isNaN(createdMs) ? "N/A" : `${formatDuration(nowMs - createdMs)} ago`,
    CreatedBy: isTruncated ? ellipsis(words, createdByCells) : words,
    Size: isHuman ? formatSize(sizeBytes, { digits: 3 }) : String(sizeBytes),
    Comment: comment,
  };
}
