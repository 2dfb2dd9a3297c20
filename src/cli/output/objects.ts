/** `--format` of commands that show single things: json or a Go template. */
import { safeJson } from "./safe.ts";
import { isTerminal } from "./terminal.ts";

/** Things to inspect: a JSON array, or the template once for each. */
export async function formatObjects(
  format: string | null,
  objects: readonly object[],
): Promise<string> {
  if (format === null || format === "json") {
    return `${safeJson(JSON.stringify(objects, null, 4))}\n`;
  }
  const { renderRows } = await import("./template/render.ts");
  return renderRows(format, objects, { isTerminal: isTerminal(1) });
}

/** One thing that there is only one of. */
export async function formatObject(format: string, object: object): Promise<string> {
  if (format === "json") return `${safeJson(JSON.stringify(object, null, 2))}\n`;
  return formatObjects(format, [object]);
}
