/**
 * Elastic tab stops: cells that end in a tab are padded to the widest of their column block, the last cell of a line
 * never is. A block is a run of neighbouring lines that have the column, which is what Go's text/tabwriter does and
 * therefore what `--format "table ..."` shows everywhere. Widths are terminal cells (wide characters count two).
 */

export interface AlignOptions {
  /** Spaces between columns. */
  paddingCells?: number;
  /** The least width of a column, padding included. */
  columnCellsMin?: number;
  /** Known to be so: see arePlain(). */
  isPlain?: true;
}

/** Docker's: three spaces, and no column narrower than ten. */
export const dockerAlign = { paddingCells: 3, columnCellsMin: 10 } satisfies AlignOptions;

/** Lines as cells -> lines padded. */
export function alignCells(lines: string[][], options: AlignOptions = {}): string[] {
  const { paddingCells, columnCellsMin } = { ...dockerAlign, ...options };
  const count = lines.length;
  const isPlain = options.isPlain ?? arePlain(lines);
  const cells = isPlain ? (text: string) => text.length : cellsOf;
  const columns = lines[0]?.length ?? 0;
  if (isPlain && lines.every(({ length }) => length === columns)) {
    return alignPlainTable(lines, paddingCells, columnCellsMin);
  }
  const padded = lines.map(() => "");
  for (let column = 0, isLast = false; !isLast; column++) {
    isLast = true;
    for (let first = 0; first < count; first++) {
      let end = first;
      let width = columnCellsMin - paddingCells;
      for (let line = lines[end]; line !== undefined && column < line.length - 1;) {
        width = Math.max(width, cells(line[column] ?? ""));
        line = lines[++end];
      }
      if (end > first) isLast = false;
      for (let line = first; line < end; line++) {
        const text = lines[line]?.[column] ?? "";
        padded[line] += text + " ".repeat(Math.max(0, width + paddingCells - cells(text)));
      }
      first = Math.max(first, end);
    }
  }
  return lines.map((line, index) => (padded[index] ?? "") + (line[line.length - 1] ?? ""));
}

/** What a list of a thousand is: as many cells in each line, a character a terminal cell. In a third of the time. */
function alignPlainTable(
  lines: string[][],
  paddingCells: number,
  columnCellsMin: number,
): string[] {
  const widths = (lines[0] ?? []).slice(0, -1).map((_, column) => {
    let width = columnCellsMin - paddingCells;
    for (const line of lines) width = Math.max(width, line[column]?.length ?? 0);
    return width + paddingCells;
  });
  const gaps = Array.from({ length: Math.max(0, ...widths) + 1 }, (_, cells) => " ".repeat(cells));
  return lines.map((line) => {
    let text = "";
    for (let column = 0; column < widths.length; column++) {
      const cell = line[column] ?? "";
      text += cell + (gaps[(widths[column] ?? 0) - cell.length] ?? "");
    }
    return text + (line[widths.length] ?? "");
  });
}

/** What nearly every text is: a character, a terminal cell, and nothing that drives the terminal. */
const plain = /^[ -~]*$/;

/** All of them, found out at once: a thousand small questions would take longer. */
export function arePlain(lines: readonly (readonly string[])[]): boolean {
  return plain.test(lines.map((cells) => cells.join("")).join(""));
}

export function cellsOf(text: string): number {
  return plain.test(text) ? text.length : Bun.stringWidth(text);
}
