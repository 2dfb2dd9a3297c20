/** The values of the limit flags, as docker and podman read them. */
import { TspodError } from "../../errors.ts";
import { deviceNumber } from "../../host/index.ts";
import { parseSize } from "../../lib/size.ts";
import {
  type BlockDevice,
  type DeviceRule,
  type LimitOptions,
  linuxResources,
  type ThrottleKind,
} from "../../spec/index.ts";
import type { LimitFlags } from "./limits.ts";

/** Throws usage. */
export function parseLimits(
  flags: LimitFlags,
  { isPartial }: { isPartial: boolean } = { isPartial: false },
): LimitOptions {
  refuseImpossible(flags);
  const limits: LimitOptions = {
    memory: size("--memory", flags.memory),
    memorySwap: flags.memorySwap === "-1" ? -1 : size("--memory-swap", flags.memorySwap),
    memoryReservation: size("--memory-reservation", flags.memoryReservation),
    oomScoreAdj: whole("--oom-score-adj", flags.oomScoreAdj, -1000, 1000),
    cpuShares: whole("--cpu-shares", flags.cpuShares, 0, sharesMax),
    cpuPeriod: orZero("--cpu-period", flags.cpuPeriod, periodUsMin, periodUsMax),
    cpuQuota: parseQuota(flags.cpuQuota),
    nanoCpus: parseCpus(flags.cpus),
    cpusetCpus: parseSet("--cpuset-cpus", flags.cpusetCpus),
    cpusetMems: parseSet("--cpuset-mems", flags.cpusetMems),
    pids: parsePids(flags.pidsLimit),
    blkioWeight: orZero("--blkio-weight", flags.blkioWeight, weightMin, weightMax),
    blkioWeightDevice: flags.blkioWeightDevice.map(parseWeightDevice),
    throttle: [
      ...throttles("--device-read-bps", "readBps", flags.deviceReadBps),
      ...throttles("--device-write-bps", "writeBps", flags.deviceWriteBps),
      ...throttles("--device-read-iops", "readIops", flags.deviceReadIops),
      ...throttles("--device-write-iops", "writeIops", flags.deviceWriteIops),
    ],
    deviceRules: flags.deviceCgroupRule.map(parseDeviceRule),
    unified: Object.fromEntries(flags.cgroupConf.map(parseConf)),
    cgroupParent: flags.cgroupParent === "" ? null : flags.cgroupParent,
    cgroups: oneOf("--cgroups", flags.cgroups, ["enabled", "disabled", "no-conmon", "split"]),
    ignored: ignoredOf(flags),
  };
  if (!isPartial) linuxResources(limits); // contradictions are refused before anything is downloaded
  return limits;
}

/** What the kernel says of cpu.shares, and of a period and a quota (sched-bwc.rst). */
const sharesMax = 262_144;
const periodUsMin = 1_000;
const periodUsMax = 1_000_000;
const quotaUsMin = 1_000;
const weightMin = 10;
const weightMax = 1000;
const nanoCpusPerCpu = 1e9;
const nanoCpusMin = 0.01 * nanoCpusPerCpu;
const uint32Max = 0xffff_ffff;

function refuseImpossible(flags: LimitFlags): void {
  if (isMeant(flags.kernelMemory)) {
    throw new TspodError("usage", "--kernel-memory cannot be limited alone in cgroup v2", {
      next: "use --memory, which counts the kernel's memory too",
    });
  }
  if (isMeant(flags.cpuRtPeriod) || isMeant(flags.cpuRtRuntime)) {
    const flag = isMeant(flags.cpuRtPeriod) ? "--cpu-rt-period" : "--cpu-rt-runtime";
    throw new TspodError("usage", `${flag} has no counterpart in cgroup v2`, {
      next: "leave it away; --cpu-shares and --cpus share out ordinary time",
    });
  }
  const euid = process.geteuid?.() ?? 0;
  if (flags.deviceCgroupRule.length > 0 && euid !== 0) {
    throw new TspodError("usage", "--device-cgroup-rule is for containers that root runs", {
      next: "leave it away: your containers can open what you can open, and no more",
    });
  }
}

/** "0" is docker's way of asking for nothing. */
const isMeant = (text: string | null): boolean => text !== null && text !== "0" && text !== "";

/** What docker and podman pass over on cgroup v2 as well. */
function ignoredOf(flags: LimitFlags): string[] {
  const { memorySwappiness, oomKillDisable } = flags;
  const swappiness = whole("--memory-swappiness", memorySwappiness, -1, 100);
  const asksSwappiness = swappiness !== null && swappiness >= 0;
  return [
    ...(asksSwappiness ? ["--memory-swappiness is passed over: cgroup v2 has no such limit"] : []),
    ...(oomKillDisable
      ? ["--oom-kill-disable is passed over: cgroup v2 always ends what exceeds its memory"]
      : []),
  ];
}

function size(flag: string, text: string | null): number | null {
  return text === null ? null : parseSize(text, flag);
}

function whole(flag: string, text: string | null, min: number, max: number): number | null {
  if (text === null) return null;
  const number = Number(text);
  if (/^[+-]?\d+$/.test(text) && number >= min && number <= max) return number;
  throw invalid(flag, text, `give a whole number from ${min} to ${max}`);
}

function orZero(flag: string, text: string | null, min: number, max: number): number | null {
  return text === "0" ? 0 : whole(flag, text, min, max);
}

function parseQuota(text: string | null): number | null {
  const quota = whole("--cpu-quota", text, -1, Number.MAX_SAFE_INTEGER);
  if (quota === null || quota <= 0 || quota >= quotaUsMin) return quota;
  throw invalid("--cpu-quota", text ?? "", `give at least ${quotaUsMin} microseconds, or -1`);
}

function parseCpus(text: string | null): number | null {
  if (text === null) return null;
  const nanoCpus = /^(\d+\.?\d*|\.\d+)$/.test(text)
    ? Math.round(Number(text) * nanoCpusPerCpu)
    : NaN;
  if (nanoCpus === 0) return null;
  if (Number.isSafeInteger(nanoCpus) && nanoCpus >= nanoCpusMin) return nanoCpus;
  throw invalid("--cpus", text, "give a number of processors from 0.01 on, such as 1.5");
}

function parseSet(flag: string, text: string | null): string | null {
  if (text === null || text === "") return null;
  const isRange = (part: string): boolean => {
    const [, first, last] = /^(\d+)(?:-(\d+))?$/.exec(part) ?? [];
    return first !== undefined && (last === undefined || Number(first) <= Number(last));
  };
  if (text.split(",").every(isRange)) return text;
  throw invalid(flag, text, "give numbers and ranges, such as 0-2,5");
}

/** Docker and podman both take 0 for "no limit". */
function parsePids(text: string | null): number | null {
  const pids = whole("--pids-limit", text, -1, Number.MAX_SAFE_INTEGER);
  return pids === 0 ? -1 : pids;
}

function parseWeightDevice(text: string): BlockDevice & { weight: number } {
  const [device, rest] = splitDevice("--blkio-weight-device", text);
  const weight = whole("--blkio-weight-device", rest, weightMin, weightMax) ?? 0;
  return { ...device, weight };
}

function throttles(flag: string, kind: ThrottleKind, texts: readonly string[]) {
  return texts.map((text) => {
    const [device, rest] = splitDevice(flag, text);
    const rate = kind.endsWith("Bps")
      ? parseSize(rest, flag)
      : (whole(flag, rest, 0, Number.MAX_SAFE_INTEGER) ?? 0);
    if (rate > 0) return { ...device, kind, rate };
    throw invalid(flag, text, "give a rate of at least 1");
  });
}

/** DEVICE:VALUE. */
function splitDevice(flag: string, text: string): [BlockDevice, string] {
  const colon = text.lastIndexOf(":");
  const path = text.slice(0, Math.max(0, colon));
  if (!path.startsWith("/")) throw invalid(flag, text, "write it as in /dev/sda:1mb");
  const found = deviceNumber(path);
  if (found?.type !== "b") {
    throw new TspodError("usage", `Invalid ${flag} "${text}": "${path}" is no block device here`, {
      next: "lsblk --paths lists them",
    });
  }
  return [{ path, major: found.major, minor: found.minor }, text.slice(colon + 1)];
}

/** "c 42:* rwm" (docker run, --device-cgroup-rule). */
function parseDeviceRule(text: string): DeviceRule {
  const [, type, major = "", minor = "", access] =
    /^([acb]) (\d+|\*):(\d+|\*) ([rwm]{1,3})$/.exec(text) ?? [];
  const numbers = [major, minor].filter((number) => number !== "*").map(Number);
  if (type === undefined || access === undefined || numbers.some((number) => number > uint32Max)) {
    throw invalid("--device-cgroup-rule", text, "write it as in 'c 42:* rwm'");
  }
  return {
    allow: true,
    type,
    ...(major === "*" ? {} : { major: Number(major) }),
    ...(minor === "*" ? {} : { minor: Number(minor) }),
    access,
  };
}

function parseConf(text: string): [string, string] {
  const [, file, content] = /^([a-z0-9_]+(?:\.[A-Za-z0-9_]+)+)=(.*)$/s.exec(text) ?? [];
  if (file !== undefined && content !== undefined) return [file, content];
  throw invalid("--cgroup-conf", text, "name a file of a cgroup, as in memory.high=1073741824");
}

/** The first word is what nothing means. */
function oneOf<T extends string>(
  flag: string,
  text: string | null,
  words: readonly [T, ...T[]],
): T {
  if (text === null) return words[0];
  const found = words.find((word) => word === text);
  if (found !== undefined) return found;
  throw invalid(flag, text, `use one of: ${words.join(", ")}`);
}

function invalid(flag: string, text: string, next: string): TspodError {
  return new TspodError("usage", `Invalid ${flag} "${text}"`, { next });
}
