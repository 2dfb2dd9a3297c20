/** What a container may use of the host: the flags. Their values are read only when somebody gives one. */
import type { LimitOptions } from "../../spec/index.ts";
import { boolean, type FlagValues, list, value } from "../flags.ts";

export const limitFlags = {
  memory: value("-m,--memory", "SIZE", "Memory it may use, as in 512m"),
  memorySwap: value(
    "--memory-swap",
    "SIZE",
    "Memory and swap together; -1 is no limit, twice --memory the default",
  ),
  memoryReservation: value("--memory-reservation", "SIZE", "Memory that is left to it longest"),
  memorySwappiness: value("--memory-swappiness", "0..100", "Passed over: cgroup v2 has none"),
  oomKillDisable: boolean("--oom-kill-disable", "Passed over: cgroup v2 cannot do that"),
  oomScoreAdj: value("--oom-score-adj", "-1000..1000", "Who is killed first when memory runs out"),
  kernelMemory: value("--kernel-memory", "SIZE", "Refused: cgroup v2 counts it with --memory"),
  cpus: value("--cpus", "NUMBER", "Processors it may use, as in 1.5"),
  cpuShares: value("-c,--cpu-shares", "SHARES", "Its part of busy processors; 1024 is usual"),
  cpuPeriod: value("--cpu-period", "MICROSECONDS", "What --cpu-quota is counted in"),
  cpuQuota: value("--cpu-quota", "MICROSECONDS", "Time it may run in each period"),
  cpuRtPeriod: value("--cpu-rt-period", "MICROSECONDS", "Refused: cgroup v2 does not share it out"),
  cpuRtRuntime: value(
    "--cpu-rt-runtime",
    "MICROSECONDS",
    "Refused: cgroup v2 does not share it out",
  ),
  cpusetCpus: value("--cpuset-cpus", "LIST", "Processors it may run on, as in 0-2,5"),
  cpusetMems: value("--cpuset-mems", "LIST", "Memory nodes it may use, as in 0,1"),
  pidsLimit: value("--pids-limit", "NUMBER", "Processes and threads it may have; -1 is no limit"),
  blkioWeight: value("--blkio-weight", "10..1000", "Its part of busy disks"),
  blkioWeightDevice: list(
    "--blkio-weight-device",
    "DEVICE:WEIGHT",
    "The same for one disk",
    "file",
  ),
  deviceReadBps: list("--device-read-bps", "DEVICE:SIZE", "Bytes a second from a disk", "file"),
  deviceWriteBps: list("--device-write-bps", "DEVICE:SIZE", "Bytes a second to a disk", "file"),
  deviceReadIops: list("--device-read-iops", "DEVICE:NUMBER", "Reads a second from a disk", "file"),
  deviceWriteIops: list(
    "--device-write-iops",
    "DEVICE:NUMBER",
    "Writes a second to a disk",
    "file",
  ),
  deviceCgroupRule: list(
    "--device-cgroup-rule",
    "RULE",
    "Devices that a container of root may use, as in 'c 42:* rwm'",
  ),
  cgroupParent: value("--cgroup-parent", "GROUP", "Where its cgroup is made: a path, or a slice"),
  cgroups: value("--cgroups", "MODE", "enabled, disabled (none at all), no-conmon or split", [
    ...["enabled", "disabled", "no-conmon", "split"],
  ]),
  cgroupConf: list(
    "--cgroup-conf",
    "FILE=TEXT",
    "Write a file of its cgroup, as in memory.high=1g",
  ),
} as const;

export type LimitFlags = FlagValues<typeof limitFlags>;

/** Empty when nothing was asked for. `isPartial`: other limits hold already. Throws usage. */
export async function limitOptions(
  flags: LimitFlags,
  options: { isPartial: boolean } = { isPartial: false },
): Promise<{ limits?: LimitOptions }> {
  const names = Object.keys(limitFlags) as (keyof LimitFlags)[]; // their own table
  const isAsked = names.some((name) => {
    const asked = flags[name];
    return Array.isArray(asked) ? asked.length > 0 : asked !== null && asked !== false;
  });
  if (!isAsked) return {};
  const { parseLimits } = await import("./limit-values.ts");
  return { limits: parseLimits(flags, options) };
}
