/** The caller's subordinate id ranges. Source: subuid(5), subgid(5). Pure parser, one reader. */
import { readFileSync } from "node:fs";

export interface IdRange {
  start: number;
  count: number;
}

/** More lines than any real file has; the rest is ignored. */
const linesMax = 100_000;
const idMax = 0xffff_ffff;

/** Ranges of `owner` (a login name or a decimal uid) in the text of /etc/subuid or /etc/subgid. */
export function parseSubordinateIds(text: string, owners: readonly string[]): IdRange[] {
  const ranges: IdRange[] = [];
  for (const line of text.split("\n", linesMax)) {
    const [owner, start, count] = line.trim().split(":");
    if (owner === undefined || !owners.includes(owner)) continue;
    const range = { start: Number(start), count: Number(count) };
    if (!isId(range.start) || !isId(range.count) || range.count === 0) continue;
    if (range.start + range.count - 1 > idMax) continue;
    ranges.push(range);
  }
  return ranges;
}

function isId(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= idMax;
}

/** The ranges of this user, or [] where the file is missing or has none. */
export function readSubordinateIds(path: string, owners: readonly string[]): IdRange[] {
  try {
    return parseSubordinateIds(readFileSync(path, "utf8"), owners);
  } catch {
    return []; // no file, no ranges: the single-id fallback says so to the user
  }
}
