/** `--format`: json, table, or a Go template, for lists and for single things. */
import { TspodError } from "../../errors.ts";
import { type Column, formatTable } from "./table.ts";

/** One line for each row. The template engine is loaded only when a template is given. */
export async function formatRows<Row extends object>(
  format: string,
  rows: readonly Row[],
  columns: Column<Row>[],
): Promise<string> {
  if (format === "json") return rows.map((row) => `${JSON.stringify(row)}\n`).join("");
  if (format === "table") return formatTable(columns, rows);
  throw new TspodError("usage", `Cannot use the format "${format}"`, { next: "use json or table" });
}

/** Things to inspect: a JSON array, or the template once for each. */
export async function formatObjects(
  format: string | null,
  objects: readonly object[],
): Promise<string> {
  if (format === null || format === "json") return `${JSON.stringify(objects, null, 4)}\n`;
  throw new TspodError("usage", `Cannot use the format "${format}"`, { next: "use json" });
}
