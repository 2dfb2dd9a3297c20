/**
 * What the options of the local driver mean (docker volume create, "Driver-specific options"), as far as a user namespace
 * can do it: a directory elsewhere, memory, or our own directory with an owner. Pure.
 */
import { TspodError } from "../errors.ts";

export type VolumeKind =
  | { kind: "directory"; owner?: { uid: number; gid: number } }
  /** A directory of the host's, with words for its mount. */
  | { kind: "bind"; device: string; options: string[] }
  /** Each container that mounts it has its own. */
  | { kind: "tmpfs"; options: string[] };

const known = new Set(["type", "device", "o", "copy", "nocopy"]);

/** Throws usage: what is unknown, contradicts itself, or needs real root. */
export function parseDriverOptions(options: Readonly<Record<string, string>>): VolumeKind {
  const odd = Object.keys(options).find((key) => !known.has(key));
  if (odd !== undefined) {
    throw new TspodError("usage", `The local volume driver has no option "${odd}"`, {
      next: "use type=, device= and o=, as docker's",
    });
  }
  const { type = "", device = "", o = "" } = options;
  const words = o.split(",").filter(Boolean);
  const isBind = words.includes("bind") || words.includes("rbind");
  if (type === "tmpfs") return { kind: "tmpfs", options: words };
  if (isBind || (type === "none" && device !== "")) return bindOf(device, words);
  if (type !== "" && type !== "none") throw needsRoot(type);
  if (device !== "") {
    throw new TspodError("usage", `A volume on "${device}" needs a type`, {
      next: "for a directory use -o type=none -o o=bind",
    });
  }
  return directoryOf(words);
}

function bindOf(device: string, words: readonly string[]): VolumeKind {
  if (!device.startsWith("/")) {
    throw new TspodError("usage", "A volume with o=bind needs device=, an absolute path", {
      next: "add -o device=/path/to/the/directory",
    });
  }
  const options = words.filter((word) => word !== "bind" && word !== "rbind");
  const odd = options.find(
    (word) => !/^(ro|rw|(no)?(suid|dev|exec|atime)|relatime|r?(private|shared|slave))$/.test(word),
  );
  if (odd !== undefined) {
    throw new TspodError("usage", `"${odd}" is no option of a bind mount`, {
      next: "use o=bind with ro, noexec, nosuid, nodev or a propagation",
    });
  }
  return { kind: "bind", device, options };
}

function directoryOf(words: readonly string[]): VolumeKind {
  const owner = { uid: 0, gid: 0 };
  for (const word of words) {
    const [, key = "", id = ""] = /^(uid|gid)=(\d+)$/.exec(word) ?? [];
    if (key === "") {
      const next = /^(size|inodes)=/.test(word)
        ? "a limit needs a file system of its own: use -o type=tmpfs for one in memory"
        : "use uid=, gid=, or type= and device=";
      throw new TspodError("usage", `"${word}" is no option of a volume without a type`, { next });
    }
    owner[key as "uid" | "gid"] = Number(id); // the pattern has no other
  }
  return { kind: "directory", ...(words.length > 0 ? { owner } : {}) };
}

function needsRoot(type: string): TspodError {
  return new TspodError("usage", `Only real root may mount a file system of type "${type}"`, {
    next: "mount it on the host, then use -o type=none -o o=bind -o device=DIRECTORY",
  });
}
