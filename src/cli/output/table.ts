/** Tables as docker prints them. Returns text; whoever calls prints it. */
import { alignCells, arePlain, cellsOf, dockerAlign, type AlignOptions } from "./align.ts";
import { safe } from "./safe.ts";

export interface Column<Row> {
  /** "CONTAINER ID" */
  header: string;
  /** The field a template calls it by: `table {{.ID}}` then has this header. */
  field?: string;
  /** Untrusted text is welcome: control characters come out escaped. */
  cell: (row: Row) => string;
  /** May lose its end ("…") when the terminal is too narrow. */
  mayShrink?: boolean;
}

export interface TableOptions extends AlignOptions {
  /** `--noheading` */
  isHeaderless?: boolean;
  /** Fit into this many terminal cells by shrinking columns that may; absent: never shrink (pipes, scripts). */
  fitCells?: number;
}

/** No column is shrunk below this: shorter says nothing. */
const shrunkCellsMin = 8;
/** Where docker's spaces would leave even those no room: seven columns of ps in 80 cells. */
const narrow = { paddingCells: 1, columnCellsMin: 0 } satisfies AlignOptions;

/** Header and rows, every line ended by a newline. */
export function formatTable<Row>(
  columns: Column<Row>[],
  rows: Iterable<Row>,
  options: TableOptions = {},
): string {
  let lines: string[][] = [];
  for (const row of rows) lines.push(cellsOfRow(columns, row));
  const isPlain = arePlain(lines);
  if (!isPlain) lines = lines.map((cells) => cells.map(safe));
  if (options.isHeaderless !== true) lines.unshift(columns.map((column) => column.header));
  const fits = options.fitCells === undefined;
  const align = fits ? options : shrink(lines, columns, options);
  const aligned = alignCells(lines, isPlain && fits ? { ...align, isPlain } : align);
  return withoutSpacesAtEnds(aligned.map(ended).join(""));
}

const ended = (line: string): string => `${line}\n`;

/** All lines at once: most tables have none. */
function withoutSpacesAtEnds(text: string): string {
  return text.includes(" \n") ? text.replace(/ +\n/g, "\n") : text;
}

/** A loop, of which a thousand rows take half the time of map(). */
function cellsOfRow<Row>(columns: Column<Row>[], row: Row): string[] {
  const cells: string[] = [];
  for (const column of columns) cells.push(column.cell(row));
  return cells;
}

/** Takes cells from the widest shrinkable column until the table fits or nothing more can be taken; says how to align it. */
function shrink<Row>(
  lines: string[][],
  columns: Column<Row>[],
  options: TableOptions,
): AlignOptions {
  const shrinkable = columns.flatMap((column, index) => (column.mayShrink === true ? [index] : []));
  const natural = columns.map((_, index) =>
    lines.reduce((widest, line) => Math.max(widest, cellsOf(line[index] ?? "")), 0),
  );
  const wide = { ...dockerAlign, ...options };
  const room = options.fitCells ?? Infinity;
  const isRoomy = fit(natural, shrinkable, wide, room) !== null;
  const align = isRoomy ? wide : narrow;
  const widths = fit(natural, shrinkable, align, room) ?? []; // none: as short as they may be
  for (const line of lines) {
    for (const index of shrinkable) {
      line[index] = ellipsis(line[index] ?? "", widths[index] ?? shrunkCellsMin);
    }
  }
  return align;
}

/** The widths with which it fits. Null: it does not, however much is taken. */
function fit(
  natural: readonly number[],
  shrinkable: readonly number[],
  { paddingCells, columnCellsMin }: Required<Pick<TableOptions, keyof typeof dockerAlign>>,
  room: number,
): number[] | null {
  const widths = [...natural];
  const occupied = (width: number, index: number): number =>
    index < widths.length - 1 ? Math.max(width + paddingCells, columnCellsMin) : width;
  while (widths.map(occupied).reduce((a, b) => a + b, 0) > room) {
    const widest = shrinkable.reduce((a, b) => ((widths[b] ?? 0) > (widths[a] ?? 0) ? b : a), -1);
    const width = widths[widest] ?? 0;
    if (width <= shrunkCellsMin) return null;
    widths[widest] = width - 1;
  }
  return widths;
}

/** "alpine:latest", 8 -> "alpine:…". Counts terminal cells; never cuts a character in half. */
export function ellipsis(text: string, cells: number): string {
  if (Bun.stringWidth(text) <= cells) return text;
  let kept = "";
  let width = 0;
  for (const character of text) {
    width += Bun.stringWidth(character);
    if (width >= cells) break;
    kept += character;
  }
  return cells > 0 ? `${kept}…` : "";
}
