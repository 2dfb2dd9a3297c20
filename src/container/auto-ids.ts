/** `--userns=auto`: a range of subordinate ids that no other container has. Loaded only for such containers. */
import type { Database } from "bun:sqlite";
import { TspodError } from "../errors.ts";
import { countIds } from "../host/index.ts";
import type { StoredImage } from "../image/index.ts";
import { largestId, type UsernsMode } from "../spec/index.ts";
import { transact } from "../store/database.ts";
import { keepLease, type Lease, listLivingLeases } from "../store/leases.ts";
import type { ContainerContext } from "./context.ts";
import { requireOrdinaryUser, requireSubordinate } from "./ids.ts";
import { readImageFile } from "./image-file.ts";

/** As podman: what a container without a word about its users gets at least. */
export const autoSizeMin = 1024;

/**
 * For `auto`: how many ids, and the first ones that no other such container has; held until the container's row says so.
 * Throws usage when there are not enough.
 */
export function settleAuto(
  context: ContainerContext,
  mode: Extract<UsernsMode, { kind: "auto" }>,
  image: StoredImage,
): { mode: UsernsMode; lease: Lease } {
  requireOrdinaryUser("auto");
  const { database } = context;
  const { mapping } = context.host;
  requireSubordinate(mapping);
  const size = mode.size ?? sizeFor(context, image);
  const available = Math.min(countIds(mapping.uid), countIds(mapping.gid)) - 1;
  return transact(
    database,
    () => {
      const offset = firstFree(takenRanges(database), size);
      if (offset + size > available) throw notEnough(size, available);
      const lease = keepLease(database, `${leasePrefix}${offset}+${size}`);
      return { mode: { ...mode, size, offset }, lease };
    },
    { durable: false },
  );
}

function sizeFor({ paths }: ContainerContext, { layers }: StoredImage): number {
  const [passwd, group] = ["etc/passwd", "etc/group"].map((path) =>
    readImageFile(paths, layers, path),
  );
  return Math.max(autoSizeMin, largestId(passwd ?? "", group ?? "") + 1);
}

const leasePrefix = "keep:ids:";

interface Range {
  offset: number;
  size: number;
}

/** Of containers that are there, and of those that are being made. */
function takenRanges(database: Database): Range[] {
  const rows = database
    .query<Range, []>(
      `SELECT options ->> '$.namespaces.userns.offset' AS offset,
         options ->> '$.namespaces.userns.size' AS size
       FROM container WHERE options ->> '$.namespaces.userns.kind' = 'auto'`,
    )
    .all();
  const making = listLivingLeases(database, leasePrefix).map((resource) => {
    const [offset = 0, size = 0] = resource.slice(leasePrefix.length).split("+").map(Number);
    return { offset, size };
  });
  return [...rows, ...making];
}

function firstFree(taken: readonly Range[], size: number): number {
  let offset = 0;
  for (const range of [...taken].sort((a, b) => a.offset - b.offset)) {
    if (offset + size <= range.offset) break;
    offset = Math.max(offset, range.offset + range.size);
  }
  return offset;
}

function notEnough(size: number, available: number): TspodError {
  return new TspodError(
    "usage",
    `There are not ${size} subordinate ids in a row that no container has (you have ${available})`,
    { next: "ask for fewer with --userns=auto:size=NUMBER, or remove containers" },
  );
}
