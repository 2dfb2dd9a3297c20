/** -v and --tmpfs (docker run, "Mount volume" and "Mount tmpfs"; podman run, "--volume"). */
import { statSync } from "node:fs";
import { homedir } from "node:os";
import { resolve } from "node:path";
import { TspodError } from "../../errors.ts";
import type { VolumeMount } from "../../spec/index.ts";
import { parseVolumeName } from "../../store/volumes.ts";
import { parseDestination, parseWords, type Words } from "./mount-words.ts";

/**
 * [SOURCE:]DESTINATION[:OPTIONS]. A source with a slash (or ".") is a path, made absolute here; otherwise a volume; none
 * is a volume that has no name yet.
 */
export function parseVolume(text: string): VolumeMount {
  const [first = "", second, third, ...more] = text.split(":");
  const fail = (why: string): TspodError => invalid(text, why);
  if (more.length > 0) throw fail("");
  if (second === undefined || (!second.startsWith("/") && third === undefined && isWords(second))) {
    if (!first.startsWith("/")) throw fail("it has no destination");
    return volumeMount("", parseDestination(first, fail), words(second, fail), fail);
  }
  if (first === "") throw fail("");
  const destination = parseDestination(second, fail);
  const given = words(third, fail);
  if (!/^[./~]/.test(first)) {
    return volumeMount(parseVolumeName(first), destination, given, fail);
  }
  return bindMount(resolve(first), destination, given, fail);
}

/** "-v /data:ro" is an anonymous volume with options, as podman has it. */
function isWords(text: string): boolean {
  return /^(ro|rw|z|Z|U|nocopy|copy)(,|$)/.test(text);
}

function words(text: string | undefined, fail: (why: string) => TspodError): Words {
  return parseWords((text ?? "").split(",").filter(Boolean), fail);
}

export function volumeMount(
  name: string,
  destination: string,
  { options, isNotSeeded, givesAway, isOverlay }: Words,
  fail: (why: string) => TspodError,
): Extract<VolumeMount, { kind: "volume" }> {
  if (isOverlay) throw fail('"O" is for directories of the host');
  return {
    ...{ kind: "volume", source: name, destination, options },
    ...(name === "" ? { isAnonymous: true } : {}),
    ...(isNotSeeded ? { isNotSeeded } : {}),
    ...(givesAway ? { givesAway } : {}),
  };
}

export function bindMount(
  source: string,
  destination: string,
  { options, isNotSeeded, givesAway, isOverlay, upper, work }: Words,
  fail: (why: string) => TspodError,
): VolumeMount {
  if (isNotSeeded) throw fail('"nocopy" is for volumes');
  requireSource(source);
  if (givesAway) refuseToGiveAway(source, fail);
  const base = { source, destination, options };
  if (!isOverlay) return { kind: "bind", ...base, ...(givesAway ? { givesAway } : {}) };
  if (!statSync(source).isDirectory()) throw fail('"O" is for directories');
  if (upper === undefined || work === undefined) return { kind: "overlay", ...base };
  for (const path of [upper, work]) requireSource(path);
  return { kind: "overlay", ...base, upper, work };
}

function requireSource(path: string): void {
  try {
    statSync(path);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const why = code === "ENOENT" ? "it does not exist" : `${code}`;
    throw new TspodError("volume.source_missing", `Cannot mount "${path}": ${why}`, {
      next: `create it: mkdir -p "${path}"`,
      cause,
    });
  }
}

const hostDirectories =
  "/ /bin /boot /dev /etc /etc/passwd /etc/pki /home /lib /lib64 /media /opt /proc /root /run /sbin /srv /sys /tmp /usr /usr/bin /usr/lib /usr/local /usr/sbin /var /var/cache /var/lib /var/spool /var/tmp".split(
    " ",
  );

/** What podman refuses too: nobody wants that. */
function refuseToGiveAway(path: string, fail: (why: string) => TspodError): void {
  // homedir() alone is that of whoever started Bun: it may go on from a snapshot
  if (!hostDirectories.includes(path) && path !== (process.env.HOME ?? homedir())) return;
  throw fail(`"U" would give all of ${path} away`);
}

/** DESTINATION[:OPTIONS], the options being those of mount(8) for tmpfs. */
export function parseTmpfs(text: string): VolumeMount {
  const colon = text.indexOf(":");
  const fail = (why: string): TspodError =>
    new TspodError("usage", `Invalid --tmpfs "${text}": ${why}`, {
      next: "use --tmpfs /run or --tmpfs /run:size=64m",
    });
  const destination = parseDestination(colon < 0 ? text : text.slice(0, colon), fail);
  const words = colon < 0 ? [] : text.slice(colon + 1).split(",");
  const options = words.filter(Boolean);
  const strange = options.find((option) => !tmpfsWord.test(option));
  if (strange !== undefined) throw fail(`there is no option "${strange}"`);
  return { kind: "tmpfs", destination, options: tmpfsOptions(options) };
}

/** What the runtime (zig/src/rootfs/options.zig) and the kernel (tmpfs(5)) know. */
const tmpfsWord = new RegExp(
  `^(${[
    "r?(no)?(suid|dev|exec|(dir|rel|strict)?atime|symfollow)|r?(ro|rw|private|shared|slave|unbindable)",
    "(dir|a)?sync|(no)?(lazytime|mand|iversion|tmpcopyup)|defaults|silent|loud|U|z|Z",
    "(size|nr_blocks|nr_inodes|mode|uid|gid|huge|mpol)=.+",
    "inode(32|64)|noswap|casefold(=.+)?|((usr|grp)?quota(_(block|inode)_hardlimit=.+)?)",
  ].join("|")})$`,
);

/** It is everybody's unless somebody says otherwise. */
export function tmpfsOptions(options: readonly string[]): string[] {
  const known = options.filter((option) => option !== "notmpcopyup" && option !== "U");
  const isSized = known.some((option) => option.startsWith("mode="));
  return isSized ? known : ["mode=1777", ...known];
}

function invalid(text: string, why: string): TspodError {
  const reason = why === "" ? "" : `: ${why}`;
  return new TspodError("volume.invalid", `Invalid volume "${text}"${reason}`, {
    next: "use -v /host/path:/container/path[:ro] or -v NAME:/container/path",
  });
}
