/** `--format`: json, table, or a Go template, for lists and for single things. */
import { isTerminal } from "./terminal.ts";
import { safeJson } from "./safe.ts";
import { type Column, formatTable, type TableOptions } from "./table.ts";

/** One line for each row; `fields` are those of every row. The template engine is loaded only when a template is given. */
export async function formatRows<Row extends object>(
  format: string,
  rows: readonly Row[],
  columns: Column<Row>[],
  options: TableOptions & { fields?: readonly string[] } = {},
): Promise<string> {
  if (format === "json") return rows.map((row) => `${safeJson(JSON.stringify(row))}\n`).join("");
  if (format.trim() === "table" || format === "") return formatTable(columns, rows, options);
  const { renderRows, renderTable } = await import("./template/render.ts");
  const fields = options.fields === undefined ? {} : { fields: options.fields };
  if (!/^\s*table\s/.test(format)) {
    return renderRows(format, rows, { isTerminal: isTerminal(1), ...fields });
  }
  const headers = columns.flatMap(({ field, header }) =>
    field === undefined ? [] : [[field, header] as const],
  );
  const source = format.replace(/^\s*table\s/, "");
  return renderTable(source, rows, Object.fromEntries(headers), options);
}

/** For rows that come one by one. A template is parsed before the first. */
export async function formatLine(format: string): Promise<(row: object) => string> {
  if (format === "json") return (row) => `${safeJson(JSON.stringify(row, plainNumbers))}\n`;
  const { renderRows } = await import("./template/render.ts");
  const options = { isTerminal: isTerminal(1) };
  renderRows(format, [], options);
  return (row) => renderRows(format, [row], options);
}

/** JSON.stringify() knows no bigint; what reads it may. */
function plainNumbers(_: string, value: unknown): unknown {
  return typeof value === "bigint" ? Number(value) : value;
}
