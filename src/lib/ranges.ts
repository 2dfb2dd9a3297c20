/** Ranges of bytes: [start, end). */

export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** The same bytes in order, in as few ranges as possible; empty ones are left out. */
export function mergeRanges(ranges: readonly ByteRange[]): ByteRange[] {
  const merged: { start: number; end: number }[] = [];
  for (const { start, end } of ranges.toSorted((a, b) => a.start - b.start)) {
    const last = merged.at(-1);
    if (last !== undefined && start <= last.end) last.end = Math.max(last.end, end);
    else if (start < end) merged.push({ start, end });
  }
  return merged;
}

/** What is missing of [0, total). */
export function holesBetween(ranges: readonly ByteRange[], total: number): ByteRange[] {
  const holes: ByteRange[] = [];
  let position = 0;
  for (const { start, end } of mergeRanges(ranges)) {
    if (start > position) holes.push({ start: position, end: start });
    position = Math.max(position, end);
  }
  if (position < total) holes.push({ start: position, end: total });
  return holes;
}

/** The same in pieces of at most that size. */
export function cutRanges(ranges: readonly ByteRange[], sizeBytes: number): ByteRange[] {
  return ranges.flatMap(({ start, end }) =>
    Array.from({ length: Math.ceil((end - start) / sizeBytes) }, (_, i) => ({
      start: start + i * sizeBytes,
      end: Math.min(start + (i + 1) * sizeBytes, end),
    })),
  );
}
