/** The values of --userns, --uidmap, --gidmap, --subuidname, --pid, --ipc, --uts and --cgroupns, as podman reads them. */
import { TspodError } from "../../errors.ts";
import type { AskedIdLine, Joined, NamespaceOptions, UsernsMode } from "../../spec/index.ts";
import type { NamespaceFlags } from "./namespaces.ts";

/** Throws usage: an unknown mode, a map that is none, two wishes that exclude each other. */
export function parseNamespaces(flags: NamespaceFlags): NamespaceOptions {
  const namespaces: NamespaceOptions = {
    usernsText: flags.userns ?? "",
    userns: parseUserns(flags),
    ipc: parseMode("--ipc", flags.ipc, ["shareable", "private", "none", "host"]),
    pid: parseMode("--pid", flags.pid, ["private", "host"]),
    uts: parseMode("--uts", flags.uts, ["private", "host"]),
    cgroup: parseMode("--cgroupns", flags.cgroupns, ["private", "host"]),
  };
  refuseStrangers(namespaces, flags);
  return namespaces;
}

/** The first of `words` is the default. */
function parseMode<T extends string>(
  flag: string,
  text: string | null,
  words: readonly [T, ...T[]],
): T | Joined {
  if (text === null || text === "") return words[0];
  const found = words.find((word) => word === text);
  if (found !== undefined) return found;
  const container = containerOf(text);
  if (container !== null) return { container };
  throw new TspodError("usage", `Invalid ${flag} "${text}"`, {
    next: `use ${words.join(", ")} or container:NAME`,
  });
}

function containerOf(text: string): string | null {
  return /^container:(.+)$/s.exec(text)?.[1] ?? null;
}

/** A namespace belongs to a user namespace, and whoever joins the one has to be in the other. */
function refuseStrangers(namespaces: NamespaceOptions, flags: NamespaceFlags): void {
  const { userns, pid, ipc, uts, cgroup } = namespaces;
  const joined = Object.entries({ pid, ipc, uts, cgroupns: cgroup }).flatMap(([name, mode]) =>
    typeof mode === "object" ? [{ flag: `--${name}=container:${mode.container}`, ...mode }] : [],
  );
  const [first, ...others] = joined;
  if (first === undefined) return;
  const other = others.find(({ container }) => container !== first.container);
  const because =
    "the namespaces of a container belong to its user namespace, and one can be in one only";
  if (other !== undefined) throw together(first.flag, other.flag, because);
  if (userns === null) return;
  const isSame = userns.kind === "container" && userns.container === first.container;
  const asked = flags.userns === null ? "an id map" : `--userns=${flags.userns}`;
  if (!isSame) throw together(first.flag, asked, because);
}

function together(one: string, other: string, because?: string): TspodError {
  const why = because === undefined ? "" : `: ${because}`;
  return new TspodError("usage", `Cannot combine ${one} with ${other}${why}`, {
    next: "leave one of them away",
  });
}

function parseUserns(flags: NamespaceFlags): UsernsMode | null {
  const { userns, uidmap, gidmap, subuidname, subgidname } = flags;
  const hasMaps = uidmap.length + gidmap.length > 0;
  const hasNames = subuidname !== null || subgidname !== null;
  const mapFlag = hasMaps ? (uidmap.length > 0 ? "--uidmap" : "--gidmap") : "--subuidname";
  if (hasMaps && hasNames) throw together(mapFlag, "--subuidname or --subgidname");
  const isOpen = userns === null || userns === "" || userns === "private";
  if ((hasMaps || hasNames) && !isOpen) throw together(`--userns=${userns}`, mapFlag);
  if (hasMaps) {
    const uid = parseMap("--uidmap", uidmap.length > 0 ? uidmap : gidmap);
    return { kind: "maps", uid, gid: parseMap("--gidmap", gidmap.length > 0 ? gidmap : uidmap) };
  }
  if (hasNames) {
    const [uid, gid] = [subuidname ?? subgidname ?? "", subgidname ?? subuidname ?? ""];
    return { kind: "names", uid, gid };
  }
  return isOpen || userns === "host" ? null : parseUsernsMode(userns);
}

const settingsOf: Record<string, string[]> = {
  "keep-id": ["uid", "gid", "size"],
  nomap: [],
  auto: ["size"],
};

function parseUsernsMode(text: string): UsernsMode {
  const container = containerOf(text);
  if (container !== null) return { kind: "container", container };
  const [, name = "", list] = /^([^:]*)(?::(.*))?$/s.exec(text) ?? [];
  const known = settingsOf[name];
  if (known === undefined) {
    throw new TspodError("usage", `Invalid --userns "${text}"`, {
      next: "use host, keep-id, nomap, auto, private, or container:NAME",
    });
  }
  const settings = new Map<string, number>();
  for (const setting of list === undefined ? [] : list.split(",")) {
    const [key = "", number = ""] = setting.split("=", 2);
    if (!known.includes(key)) {
      throw new TspodError(
        "usage",
        `Invalid --userns "${text}": "${key}" is no setting of ${name}`,
        {
          next: known.length === 0 ? `use ${name} alone` : `use ${known.join(", ")}`,
        },
      );
    }
    settings.set(key, parseId(`--userns "${text}"`, number));
  }
  const setting = (key: string): number | null => settings.get(key) ?? null;
  if (name === "nomap") return { kind: "nomap" };
  if (name === "auto") return { kind: "auto", size: setting("size") };
  return { kind: "keep-id", uid: setting("uid"), gid: setting("gid"), size: setting("size") };
}

/** INSIDE:YOURS[:COUNT]; "@" before the second: an id of the host. */
function parseMap(flag: string, lines: readonly string[]): AskedIdLine[] {
  return lines
    .flatMap((text) => text.split(","))
    .map((text) => {
      const [, inside, at = "", from, count = "1"] =
        /^(\d+):(@?)(\d+)(?::(\d+))?$/.exec(text.trim()) ?? [];
      if (inside === undefined || from === undefined || Number(count) === 0) {
        throw new TspodError("usage", `Invalid ${flag} "${text}"`, {
          next: "use INSIDE:YOURS:COUNT, e.g. 0:1:1000 for the first 1000 of your subordinate ids",
        });
      }
      return {
        containerID: parseId(flag, inside),
        from: parseId(flag, from),
        isHost: at === "@",
        size: parseId(flag, count),
      };
    });
}

/** 2^32 - 1 means "no id". */
const idMax = 0xffff_fffe;

function parseId(what: string, text: string): number {
  const id = Number(text);
  if (/^\d+$/.test(text) && id <= idMax) return id;
  throw new TspodError("usage", `Invalid ${what}: "${text}" is no id`, {
    next: `use a number up to ${idMax}`,
  });
}
