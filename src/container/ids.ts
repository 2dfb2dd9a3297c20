/**
 * Who is who in a container that maps ids otherwise than the store does: its map, the owners of its layers, and the user
 * that it keeps. Loaded only for such containers.
 */
import { TspodError } from "../errors.ts";
import {
  caller,
  countIds,
  hostLines,
  type IdLine,
  type IdRange,
  keepIdLines,
  ownerLines,
  ownId,
  readSubordinateIds,
  subordinateLines,
} from "../host/index.ts";
import type { LayerOwners, StoredImage } from "../image/index.ts";
import type { IdMapping } from "../helper/contract.ts";
import {
  addGroup,
  addUser,
  type AskedIdLine,
  type SpecHost,
  type UsernsMode,
} from "../spec/index.ts";
import type { ContainerContext } from "./context.ts";
import { autoSizeMin } from "./auto-ids.ts";
import { readImageFile } from "./image-file.ts";

export interface ContainerIds {
  mapping: IdMaps;
  /** Absent: the store's own trees have the right owners. */
  owners?: LayerOwners;
  /** Container root among the caller's ids; absent: it is the caller, or there is none. */
  root?: { uid: number; gid: number; isCallerMapped: boolean };
  /** Who runs where neither the image nor the caller names somebody. */
  user?: string;
  /** /etc/passwd and /etc/group that know that user, where the image's do not. */
  files: Record<string, string>;
}

type IdMaps = SpecHost["mapping"];

interface Lines {
  uid: IdLine[];
  gid: IdLine[];
}

/** `mode` `auto` with what settleAuto() found. Throws usage. */
export function containerIds(
  context: ContainerContext,
  mode: Exclude<UsernsMode, { kind: "container" }>,
  image: StoredImage,
): ContainerIds {
  const base = context.host.mapping;
  const lines = linesOf(base, mode);
  const mapping = {
    ...base,
    uid: hostLines(lines.uid, base.uid, "uid"),
    gid: hostLines(lines.gid, base.gid, "gid"),
  };
  return {
    mapping,
    ...ownersOf(lines),
    ...(mode.kind === "keep-id" ? keptUser(context, image, keptIds(mode)) : { files: {} }),
  };
}

function linesOf(base: IdMaps, mode: Exclude<UsernsMode, { kind: "container" }>): Lines {
  const each = (make: (map: IdMapping[]) => IdLine[]): Lines => ({
    uid: make(base.uid),
    gid: make(base.gid),
  });
  switch (mode.kind) {
    case "keep-id": {
      const { uid, gid } = keptIds(mode);
      const size = mode.size ?? Infinity;
      return { uid: keepIdLines(base.uid, uid, size), gid: keepIdLines(base.gid, gid, size) };
    }
    case "nomap":
      requireOrdinaryUser("nomap");
      requireSubordinate(base);
      return each((map) => subordinateLines(0, countIds(map) - 1));
    case "auto":
      return each(() => subordinateLines(mode.offset ?? 0, mode.size ?? autoSizeMin));
    case "maps":
      return { uid: askedLines(mode.uid, base.uid), gid: askedLines(mode.gid, base.gid) };
    case "names":
      return {
        uid: namedLines("/etc/subuid", mode.uid, base.uid),
        gid: namedLines("/etc/subgid", mode.gid, base.gid),
      };
  }
}

function keptIds(mode: { uid: number | null; gid: number | null }): { uid: number; gid: number } {
  const { uid, gid } = caller();
  return { uid: mode.uid ?? uid, gid: mode.gid ?? gid };
}

export function requireOrdinaryUser(mode: string): void {
  if (caller().uid !== 0) return;
  throw new TspodError("usage", `--userns=${mode} is not for root, who has no subordinate ids`, {
    next: "run tspod as an ordinary user, or give a map: --uidmap 0:100000:65536",
  });
}

export function requireSubordinate(base: IdMaps): void {
  if (countIds(base.uid) > 1 && countIds(base.gid) > 1) return;
  throw new TspodError("usage", "This needs subordinate ids, and there are none that you can use", {
    next: "tspod info says what is missing",
  });
}

function askedLines(asked: readonly AskedIdLine[], base: IdMapping[]): IdLine[] {
  return asked.map(({ containerID, from, isHost, size }) => {
    const own = isHost ? ownId(base, from) : from;
    if (own !== undefined) return { containerID, own, size };
    throw new TspodError("usage", `Cannot map the id ${from} of the host: it is not one of yours`, {
      next: "tspod info shows which are",
    });
  });
}

function namedLines(file: string, name: string, base: IdMapping[]): IdLine[] {
  const ranges = readSubordinateIds(file, [name]);
  if (ranges.length === 0) {
    throw new TspodError("usage", `${file} has no ids for "${name}"`, {
      next: `look into ${file}, or give a map with --uidmap and --gidmap`,
    });
  }
  let containerID = 0;
  return ranges.map(({ start, count }: IdRange) => {
    const own = ownId(base, start);
    if (own === undefined) {
      throw new TspodError("usage", `The ids that ${file} has for "${name}" are not yours to map`, {
        next: "use your own name",
      });
    }
    const line = { containerID, own, size: count };
    containerID += count;
    return line;
  });
}

/** An id that is the caller's same one inside needs nothing of its own: the store's trees say so already. */
function ownersOf({ uid, gid }: Lines): Pick<ContainerIds, "owners" | "root"> {
  if ([...uid, ...gid].every(({ containerID, own }) => containerID === own)) return {};
  const owners = { uid: ownerLines(uid), gid: ownerLines(gid) };
  const hash = new Bun.CryptoHasher("sha256").update(JSON.stringify(owners)).digest("hex");
  const [root, group] = [idOf(uid, 0), idOf(gid, 0)];
  const isOther = root !== undefined && group !== undefined && root + group > 0;
  const isCallerMapped = [uid, gid].every((lines) => lines.some(({ own }) => own === 0));
  return {
    owners: { ...owners, key: `ids-${hash.slice(0, 16)}` },
    ...(isOther ? { root: { uid: root, gid: group, isCallerMapped } } : {}),
  };
}

function idOf(lines: readonly IdLine[], id: number): number | undefined {
  const line = lines.find(({ containerID, size }) => id >= containerID && id < containerID + size);
  return line === undefined ? undefined : line.own + (id - line.containerID);
}

function keptUser(
  { paths }: ContainerContext,
  { layers, config }: StoredImage,
  { uid, gid }: { uid: number; gid: number },
): Pick<ContainerIds, "user" | "files"> {
  const name = caller().name ?? `user${uid}`;
  const home = config.workingDir === "" ? "/" : config.workingDir;
  const passwd = addUser(readImageFile(paths, layers, "etc/passwd"), { name, uid, gid, home });
  const group = addGroup(readImageFile(paths, layers, "etc/group"), { name, gid });
  return {
    user: `${uid}:${gid}`,
    files: {
      ...(passwd === undefined ? {} : { passwd }),
      ...(group === undefined ? {} : { group }),
    },
  };
}
