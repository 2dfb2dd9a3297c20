/** The values of --group-add, --ulimit, --sysctl, --shm-size and --umask, as docker and podman read them. */
import { TspodError } from "../../errors.ts";
import {
  callerLimits,
  type Limit,
  limitNames,
  ownLimits,
  usableDevices,
} from "../../host/index.ts";
import { nearest } from "../../lib/nearest.ts";
import { parseSize } from "../../lib/size.ts";
import { defaultSetup, type SetupOptions, sysctlOwner, type Ulimit } from "../../spec/index.ts";
import { parseDevices } from "./device.ts";
import type { SetupFlags } from "./setup.ts";

/** Throws usage: a value that is none, or one that this host cannot honour. */
export function parseSetup(flags: SetupFlags & { privileged: boolean }): SetupOptions {
  const groups = parseGroups(flags.groupAdd);
  const { devices, warnings } = parseDevices(flags.device, groups.keepGroups);
  const ulimits = parseUlimits(flags.ulimit);
  return {
    ...defaultSetup,
    devices,
    hostDevices: flags.privileged ? usableDevices() : [],
    ...groups,
    ulimits: ulimits.limits,
    sysctls: Object.fromEntries(flags.sysctl.map(parseSysctl)),
    shmSizeBytes: flags.shmSize === null ? null : parseSize(flags.shmSize, "--shm-size"),
    umask: flags.umask === null ? null : parseUmask(flags.umask),
    warnings: [...warnings, ...ulimits.warnings],
  };
}

const keepWord = "keep-groups";

function parseGroups(words: readonly string[]): Pick<SetupOptions, "groups" | "keepGroups"> {
  const groups = words.flatMap((word) => word.split(","));
  const wrong = groups.find((group) => !/^[^:\s]+$/.test(group));
  if (wrong !== undefined) {
    throw new TspodError("usage", `Invalid --group-add "${wrong}"`, {
      next: "use a group's name or number, or keep-groups",
    });
  }
  if (!groups.includes(keepWord)) return { groups, keepGroups: false };
  if (groups.length === 1) return { groups: [], keepGroups: true };
  throw new TspodError("usage", "Cannot combine --group-add=keep-groups with other groups", {
    next: "a process cannot add to groups that it keeps: leave one of them away",
  });
}

/** Later ones replace earlier ones of the same name; "host" is all of the caller's. */
export function parseUlimits(
  words: readonly string[],
  own: () => Record<string, Limit> = ownLimits,
): { limits: Ulimit[]; warnings: string[] } {
  const limits = new Map<string, Ulimit>();
  const warnings: string[] = [];
  for (const word of words.flatMap((each) => each.split(","))) {
    for (const wanted of word === "host" ? callersOwn() : [parseUlimit(word)]) {
      const { limit, warning } = within(own(), wanted, word);
      limits.set(limit.name, limit);
      warnings.push(...warning);
    }
  }
  return { limits: [...limits.values()], warnings };
}

type Wanted = Limit & { name: string };

function callersOwn(): Wanted[] {
  return Object.entries(callerLimits()).map(([name, limit]) => ({ name, ...limit }));
}

function parseUlimit(word: string): Wanted {
  const [, name = "", softText = "", hardText = softText] =
    /^([^=]+)=([^:]+)(?::([^:]+))?$/.exec(word) ?? [];
  if (!limitNames.includes(name)) throw unknownLimit(word, name);
  const [soft, hard] = [parseLimit(word, softText), parseLimit(word, hardText)];
  if (soft <= hard) return { name, soft, hard };
  throw new TspodError(
    "usage",
    `Invalid --ulimit "${word}": the soft limit is above the hard one`,
    { next: "use NAME=SOFT:HARD, the hard one being the larger" },
  );
}

/** What an ordinary user may have of it: "unlimited" is as much as there can be. Throws usage. */
function within(
  own: Record<string, Limit>,
  { name, soft, hard }: Wanted,
  word: string,
): { limit: Ulimit; warning: string[] } {
  const most = process.getuid?.() === 0 ? Infinity : (own[name]?.hard ?? Infinity);
  if (hard > most && hard !== Infinity) {
    throw new TspodError("usage", `Cannot set --ulimit "${word}": your own hard limit is ${most}`, {
      next: `ask for no more, or raise yours: ${raising}`,
    });
  }
  const limit = { name, soft: finite(Math.min(soft, most)), hard: finite(Math.min(hard, most)) };
  const less = `--ulimit "${word}" is your own hard limit, ${most}; to raise it: ${raising}`;
  return { limit, warning: hard > most ? [less] : [] };
}

const raising = "/etc/security/limits.conf, or LimitX= of a systemd unit";

function unknownLimit(word: string, name: string): TspodError {
  const near = name === "" ? undefined : nearest(name, limitNames);
  const list = `use NAME=SOFT[:HARD] with one of: ${limitNames.toSorted().join(", ")}; or host`;
  return new TspodError("usage", `Invalid --ulimit "${word}"`, {
    next: near === undefined ? list : `did you mean "${near}"?`,
  });
}

/** Infinity: unlimited. */
function parseLimit(word: string, text: string): number {
  if (text === "-1" || text === "unlimited") return Infinity;
  const limit = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(limit)) return limit;
  throw new TspodError("usage", `Invalid --ulimit "${word}": "${text}" is no limit`, {
    next: "use a number, or unlimited",
  });
}

function finite(limit: number): number | null {
  return limit === Infinity ? null : limit;
}

function parseSysctl(text: string): [string, string] {
  const [, name = "", value = ""] = /^([a-z0-9_-]+(?:[./][a-z0-9_-]+)+)=(.+)$/is.exec(text) ?? [];
  if (name === "") {
    throw new TspodError("usage", `Invalid --sysctl "${text}"`, {
      next: "use NAME=VALUE, e.g. net.ipv4.ip_forward=1",
    });
  }
  if (sysctlOwner(name) !== null) return [name, value];
  throw new TspodError("usage", `Cannot set "${name}" for a container: it is the whole host's`, {
    next: `set it on the host: sudo sysctl ${name}=${value}`,
  });
}

const umaskMax = 0o777;

function parseUmask(text: string): number {
  const mask = /^[0-7]{1,4}$/.test(text) ? Number.parseInt(text, 8) : NaN;
  if (mask <= umaskMax) return mask;
  throw new TspodError("usage", `Invalid --umask "${text}"`, {
    next: "use up to three octal digits, e.g. 0022",
  });
}
