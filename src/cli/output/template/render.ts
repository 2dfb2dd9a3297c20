/** A template on lists of rows: line by line, as an aligned table, or once over the whole list. Pure. */
import { alignCells } from "../align.ts";
import { safe, safeLines } from "../safe.ts";
import { execute } from "./execute.ts";
import { functionNames } from "./functions.ts";
import type { Pipe, Template } from "./node.ts";
import { parseTemplate } from "./parse.ts";
import { Header } from "./value.ts";

export interface RenderOptions {
  /** What a row has: where there is none, a template that asks for something else is wrong all the same. */
  fields?: readonly string[];
  /** What values print cannot drive a terminal. For pipes and files they stay as they are. */
  isTerminal: boolean;
}

/** `{{range .}}...{{end}}` asks for the list itself, as in podman. */
const listPattern = /^\s*\{\{-?\s*range\s+(\$\w+\s*(,\s*\$\w+\s*)?:=\s*)?\.\s*-?\}\}/;

/** The template once for each row, each ended by a newline. */
export function renderRows(
  source: string,
  rows: readonly unknown[],
  options: RenderOptions,
): string {
  const template = parseTemplate(source, functionNames);
  const clean = options.isTerminal ? { clean: safeLines } : {};
  if (rows.length === 0) requireFields(template, options.fields);
  if (listPattern.test(source)) return execute(template, rows, clean);
  return rows.map((row) => `${execute(template, row, clean)}\n`).join("");
}

/** `table {{.A}}\t{{.B}}` (without the word): a header made of the fields' names, columns aligned. */
export function renderTable(
  source: string,
  rows: readonly unknown[],
  headers: Readonly<Record<string, string>>,
  options: { isHeaderless?: boolean; fields?: readonly string[] } = {},
): string {
  const template = parseTemplate(source.trim(), functionNames);
  if (rows.length === 0) requireFields(template, options.fields);
  const line = (row: unknown): string => execute(template, row, { clean: cleanCell });
  const header = line(new Header("", headers)).trimEnd().replaceAll("\n", " ");
  const lines = [...(options.isHeaderless === true ? [] : [header]), ...rows.map(line)];
  const cells = lines.flatMap((text) => text.split("\n").map((part) => part.split("\t")));
  return alignCells(cells)
    .map((text) => `${text.trimEnd()}\n`)
    .join("");
}

function requireFields(template: Template, fields: readonly string[] | undefined): void {
  if (fields !== undefined) execute(template, new Header("", {}, fields));
}

/** A tab or line end in a value is no layout, unless the template's author wrote it. */
function cleanCell(text: string, pipe: Pipe): string {
  return pipe.hasLayout ? safeLines(text) : safe(text);
}
