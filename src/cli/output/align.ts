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
}

/** Docker's: three spaces, and no column narrower than ten. */
export const dockerAlign = { paddingCells: 3, columnCellsMin: 10 } satisfies AlignOptions;

/** Lines as cells -> lines padded. */
export function alignCells(lines: string[][], options: AlignOptions = {}): string[] {
  const { paddingCells, columnCellsMin } = { ...dockerAlign, ...options };
  const padded = lines.map(() => "");
  const count = lines.length;
  for (let column = 0, isLast = false; !isLast; column++) {
    isLast = true;
    for (let first = 0; first < count; first++) {
      let end = first;
      let width = columnCellsMin - paddingCells;
      for (let cells = lines[end]; cells !== undefined && column < cells.length - 1;) {
        width = Math.max(width, cellsOf(cells[column] ?? ""));
        cells = lines[++end];
      }
      if (end > first) isLast = false;
      for (let line = first; line < end; line++) {
        padded[line] += pad(lines[line]?.[column] ?? "", width + paddingCells);
      }
      first = Math.max(first, end);
    }
  }
  return lines.map((cells, line) => (padded[line] ?? "") + (cells[cells.length - 1] ?? ""));
}

/** What nearly every text is: a character, a cell. */
const plain = /^[ -~]*$/;

export function cellsOf(text: string): number {
  return plain.test(text) ? text.length : Bun.stringWidth(text);
}

function pad(text: string, cells: number): string {
  return text + " ".repeat(Math.max(0, cells - cellsOf(text)));
}
