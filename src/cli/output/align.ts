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
  const widths = lines.map((cells) => cells.map((cell) => Bun.stringWidth(cell)));
  const columns = lines.reduce((most, cells) => Math.max(most, cells.length - 1), 0);
  const padded = lines.map(() => "");
  for (let column = 0; column < columns; column++) {
    for (let first = 0; first < lines.length; first++) {
      const hasColumn = (line: number): boolean => column < (lines[line]?.length ?? 0) - 1;
      let end = first;
      let width = columnCellsMin;
      for (; hasColumn(end); end++) {
        width = Math.max(width, (widths[end]?.[column] ?? 0) + paddingCells);
      }
      for (let line = first; line < end; line++) {
        const cell = lines[line]?.[column] ?? "";
        padded[line] += cell + " ".repeat(width - (widths[line]?.[column] ?? 0));
      }
      first = Math.max(first, end);
    }
  }
  return lines.map((cells, line) => padded[line] + (cells.at(-1) ?? ""));
}
