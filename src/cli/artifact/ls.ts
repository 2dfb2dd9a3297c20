/** `tspod artifact ls`. */
import { loadArtifacts, type StoredArtifact } from "../../image/index.ts";
import { formatDuration } from "../../lib/duration.ts";
import { formatSize } from "../../lib/size.ts";
import { createdAnnotation, familiarName, parseReference } from "../../oci/index.ts";
import { defineCommand } from "../command.ts";
import { boolean, value } from "../flags.ts";
import { formatRows } from "../output/format.ts";
import { print } from "../output/print.ts";
import { formatTable } from "../output/table.ts";

type Row = ReturnType<typeof rowOf>;

const columns = (
  [
    ["REPOSITORY", "Repository"],
    ["TAG", "Tag"],
    ["DIGEST", "Digest"],
    ["CREATED", "Created"],
    ["SIZE", "Size"],
  ] as const
).map(([header, field]) => ({ header, field, cell: (row: Row) => row[field] }));

const shortDigestLength = 12;

export default defineCommand({
  path: ["artifact", "ls"],
  usage: "",
  summary: "List artifacts",
  flags: {
    format: value("--format", "TEMPLATE", "json, table or a Go template", ["json", "table"]),
    noHeading: boolean("-n,--noheading", "Without the line of headings"),
    noTrunc: boolean("--no-trunc", "Whole digests"),
  },
  args: { min: 0, max: 0, completes: "none" },
  async run(context, { format, noHeading, noTrunc }) {
    const { listArtifacts } = await loadArtifacts();
    const nowMs = Date.parse(context.now());
    const rows = listArtifacts(context).map((each) => rowOf(each, nowMs, noTrunc));
    const options = { isHeaderless: noHeading };
    if (format === null) await print(formatTable(columns, rows, options));
    else await print(await formatRows(format, rows, columns, options));
    return 0;
  },
});

function rowOf(
  { name, digest, addedAt, artifact }: StoredArtifact,
  nowMs: number,
  isWhole: boolean,
) {
  const reference = parseReference(name);
  const createdAt = artifact.annotations[createdAnnotation] ?? addedAt;
  const createdMs = Date.parse(createdAt);
  const sizeBytes = artifact.files.reduce((sum, file) => sum + file.sizeBytes, 0);
  const hex = digest.replace("sha256:", "");
  return {
    Repository: familiarName(reference),
    Tag: reference.tag ?? "<none>",
    Digest: isWhole ? hex : hex.slice(0, shortDigestLength),
    Created: Number.isNaN(createdMs) ? "N/A" : `${formatDuration(nowMs - createdMs)} ago`,
    CreatedAt: createdAt,
    Size: formatSize(sizeBytes, { digits: 4 }),
    VirtualSize: sizeBytes,
  };
}
