/** `tspod secret ls`. */
import { TspodError } from "../../errors.ts";
import { formatDuration } from "../../lib/duration.ts";
import { listSecretRecords, type SecretRecord } from "../../store/secrets.ts";
import { defineCommand } from "../command.ts";
import { boolean, list, value } from "../flags.ts";
import { formatRows } from "../output/format.ts";
import { print } from "../output/print.ts";
import { formatTable } from "../output/table.ts";

type Row = ReturnType<typeof secretRow>;

const columns = (
  [
    ["ID", "ID"],
    ["NAME", "Name"],
    ["DRIVER", "Driver"],
    ["CREATED", "CreatedAt"],
    ["UPDATED", "UpdatedAt"],
  ] as const
).map(([header, key]) => ({ header, field: key, cell: (row: Row) => row[key] }));

export default defineCommand({
  path: ["secret", "ls"],
  usage: "",
  summary: "List secrets, without what they are",
  flags: {
    filter: list("-f,--filter", "KEY=VALUE", "name or id"),
    format: value("--format", "TEMPLATE", "json, table or a Go template", ["json", "table"]),
    noheading: boolean("-n,--noheading", "No line of headers"),
    quiet: boolean("-q,--quiet", "Only ids"),
  },
  args: { min: 0, max: 0, completes: "none" },
  async run(context, flags) {
    const filters = flags.filter.map(parseFilter);
    const rows = listSecretRecords(context.database)
      .filter((record) => filters.length === 0 || filters.some((matches) => matches(record)))
      .map((record) => secretRow(record, Date.parse(context.now())));
    if (flags.quiet) await print(rows.map(({ ID }) => `${ID}\n`).join(""));
    else if (flags.format !== null) await print(await formatRows(flags.format, rows, columns));
    else await print(formatTable(columns, rows, { isHeaderless: flags.noheading }));
    return 0;
  },
});

function parseFilter(text: string): (record: SecretRecord) => boolean {
  const [, key, wanted = ""] = /^(name|id)=(.+)$/.exec(text) ?? [];
  if (key === "name") return ({ name }) => name.includes(wanted);
  if (key === "id") return ({ id }) => id.startsWith(wanted);
  throw new TspodError("usage", `Invalid filter "${text}"`, { next: "use name= or id=" });
}

function secretRow({ id, name, labels, createdAt, updatedAt }: SecretRecord, nowMs: number) {
  const ago = (time: string): string => `${formatDuration(nowMs - Date.parse(time))} ago`;
  return {
    ...{ ID: id, Name: name, Driver: "file" },
    ...{ CreatedAt: ago(createdAt), UpdatedAt: ago(updatedAt) },
    Labels: Object.entries(labels)
      .map(([key, text]) => `${key}=${text}`)
      .join(","),
  };
}
