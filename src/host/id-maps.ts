/**
 * Arithmetic of id maps. A container's map is written in terms of the caller's ids in a row, as podman has it: 0 is the
 * caller, 1.. are the subordinate ids, in the order /etc/subuid has them. Pure. Source: user_namespaces(7).
 */
import { TspodError } from "../errors.ts";
import type { IdMapping } from "../helper/contract.ts";

/** `size` ids from `containerID` are the caller's ids from `own` on. */
export interface IdLine {
  containerID: number;
  own: number;
  size: number;
}

/** What the kernel takes (UID_GID_MAP_MAX_EXTENTS). */
const linesMax = 340;

/** How many ids the caller has, himself included. */
export function countIds(base: readonly IdMapping[]): number {
  return base.reduce((sum, { size }) => sum + size, 0);
}

/** The caller is `id` inside; the ids below and above are the subordinate ones. */
export function keepIdLines(base: readonly IdMapping[], id: number, size = Infinity): IdLine[] {
  const count = Math.min(countIds(base), size);
  const below = Math.min(id, count - 1);
  return [
    { containerID: 0, own: 1, size: below },
    { containerID: id, own: 0, size: 1 },
    { containerID: id + 1, own: below + 1, size: count - 1 - below },
  ].filter((line) => line.size > 0);
}

/** `size` subordinate ids from the `offset`th on, as 0.. inside. */
export function subordinateLines(offset: number, size: number): IdLine[] {
  return size > 0 ? [{ containerID: 0, own: offset + 1, size }] : [];
}

/**
 * The map in the host's ids: a line that crosses from one of the caller's ranges to the next becomes several.
 * `kind` is "uid" or "gid". Throws usage when an id is not the caller's, or is mapped twice.
 */
export function hostLines(
  lines: readonly IdLine[],
  base: readonly IdMapping[],
  kind: "uid" | "gid",
): IdMapping[] {
  refuseTwice(
    lines.map(({ containerID, size }) => [containerID, size]),
    "in the container",
    kind,
  );
  refuseTwice(
    lines.map(({ own, size }) => [own, size]),
    "of yours",
    kind,
  );
  const mapped = lines.flatMap((line) => split(line, base, kind));
  if (mapped.length <= linesMax) return mapped;
  throw new TspodError(
    "usage",
    `The ${kind} map has ${mapped.length} lines, more than ${linesMax}`,
    {
      next: "the kernel takes no more: map larger ranges",
    },
  );
}

function refuseTwice(ranges: [number, number][], where: string, kind: string): void {
  const sorted = [...ranges].sort(([a], [b]) => a - b);
  sorted.forEach(([start], i) => {
    const [before = 0, size = 0] = sorted[i - 1] ?? [];
    if (i === 0 || start >= before + size) return;
    throw new TspodError("usage", `The ${kind} ${start} ${where} is mapped twice`, {
      next: "the lines of a map must not overlap",
    });
  });
}

function split(line: IdLine, base: readonly IdMapping[], kind: "uid" | "gid"): IdMapping[] {
  const pieces: IdMapping[] = [];
  let { containerID, own, size } = line;
  while (size > 0) {
    const range = base.find(
      ({ containerID: first, size: count }) => own >= first && own < first + count,
    );
    if (range === undefined) throw notYours(own, base, kind);
    const skipped = own - range.containerID;
    const taken = Math.min(size, range.size - skipped);
    pieces.push({ containerID, hostID: range.hostID + skipped, size: taken });
    containerID += taken;
    own += taken;
    size -= taken;
  }
  return pieces;
}

function notYours(own: number, base: readonly IdMapping[], kind: "uid" | "gid"): TspodError {
  const count = countIds(base);
  const [files, option] =
    kind === "uid" ? ["/etc/subuid", "--add-subuids"] : ["/etc/subgid", "--add-subgids"];
  return new TspodError(
    "usage",
    `Cannot map the ${kind} ${own}: you have ${count}, counted from 0 (yourself) to ${count - 1}`,
    { next: `more come from ${files}: sudo usermod ${option} FIRST-LAST NAME` },
  );
}

/** Which of the caller's ids `hostID` is; undefined: none. */
export function ownId(base: readonly IdMapping[], hostID: number): number | undefined {
  const range = base.find(({ hostID: first, size }) => hostID >= first && hostID < first + size);
  return range === undefined ? undefined : range.containerID + (hostID - range.hostID);
}

/** The same map in terms of the caller's ids, which is how layers are given their owners. */
export function ownerLines(lines: readonly IdLine[]): IdMapping[] {
  return lines.map(({ containerID, own, size }) => ({ containerID, hostID: own, size }));
}
