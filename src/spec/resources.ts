/**
 * What a container may use of the host -> config.json's `linux.resources` (OCI runtime-spec config-linux.md, "Control
 * groups"). Pure. Meanings, units and defaults are docker's and podman's; which of it this host can honour is found
 * out by the helper, which knows the files of the container's cgroup.
 */
import { TspodError } from "../errors.ts";
import type { Resources } from "../oci/runtime-spec.ts";

export type CgroupsMode = "enabled" | "disabled" | "no-conmon" | "split";

/** Of a block device: where it was found and its number. */
export interface BlockDevice {
  path: string;
  major: number;
  minor: number;
}

export type ThrottleKind = "readBps" | "writeBps" | "readIops" | "writeIops";

export type DeviceRule = NonNullable<Resources["devices"]>[number];

/** Sizes in bytes, times in microseconds. Null and 0: not asked for. -1: unlimited, where that can be asked for. */
export interface LimitOptions {
  memory: number | null;
  /** Memory and swap together; -1 is unlimited. */
  memorySwap: number | null;
  memoryReservation: number | null;
  oomScoreAdj: number | null;
  cpuShares: number | null;
  cpuPeriod: number | null;
  /** -1 is unlimited. */
  cpuQuota: number | null;
  /** Billionths of a processor. */
  nanoCpus: number | null;
  /** Lists as in "0-3,7". */
  cpusetCpus: string | null;
  cpusetMems: string | null;
  /** -1 is unlimited. */
  pids: number | null;
  blkioWeight: number | null;
  blkioWeightDevice: (BlockDevice & { weight: number })[];
  throttle: (BlockDevice & { kind: ThrottleKind; rate: number })[];
  deviceRules: DeviceRule[];
  /** Files of the container's cgroup, as they are. */
  unified: Record<string, string>;
  cgroupParent: string | null;
  cgroups: CgroupsMode;
  /** Sentences about what was asked for, has no meaning any more, and is passed over. */
  ignored: string[];
}

const defaultPeriodUs = 100_000;
const nanoCpusPerCpu = 1e9;

/** Undefined: nothing is limited. Throws usage: a contradiction. */
export function linuxResources(limits: LimitOptions): Resources | undefined {
  refuseContradictions(limits);
  const resources: Resources = {
    ...whenAny("memory", memory(limits)),
    ...whenAny("cpu", cpu(limits)),
    ...(limits.pids ? { pids: { limit: limits.pids } } : {}),
    ...whenAny("blockIO", blockIo(limits)),
    ...whenAny("unified", limits.unified),
    ...(limits.deviceRules.length === 0
      ? {}
      : { devices: [{ allow: false, access: "rwm" }, ...limits.deviceRules] }),
  };
  return Object.keys(resources).length === 0 ? undefined : resources;
}

/** Swap that was not mentioned is as much again as memory. */
function memory(limits: LimitOptions) {
  const limit = limits.memory || null;
  const swap = limits.memorySwap || (limit === null ? null : limit * 2);
  return given({ limit, swap, reservation: limits.memoryReservation });
}

function cpu(limits: LimitOptions) {
  const { nanoCpus } = limits;
  const quota = nanoCpus ? Math.round((nanoCpus * defaultPeriodUs) / nanoCpusPerCpu) : null;
  return given({
    shares: limits.cpuShares,
    quota: quota ?? limits.cpuQuota,
    period: quota === null ? limits.cpuPeriod : defaultPeriodUs,
    cpus: limits.cpusetCpus,
    mems: limits.cpusetMems,
  });
}

function blockIo(limits: LimitOptions) {
  const number = ({ major, minor }: BlockDevice) => ({ major, minor });
  const throttled = (kind: ThrottleKind) => {
    const devices = limits.throttle.filter((device) => device.kind === kind);
    return devices.map((device) => ({ ...number(device), rate: device.rate }));
  };
  const weights = limits.blkioWeightDevice;
  return given({
    weight: limits.blkioWeight,
    weightDevice: weights.map((device) => ({ ...number(device), weight: device.weight })),
    throttleReadBpsDevice: throttled("readBps"),
    throttleWriteBpsDevice: throttled("writeBps"),
    throttleReadIOPSDevice: throttled("readIops"),
    throttleWriteIOPSDevice: throttled("writeIops"),
  });
}

/** Only what was asked for. */
function given<T extends Record<string, number | string | object[] | null>>(values: T) {
  const asked = Object.entries(values).filter(([, value]) =>
    Array.isArray(value) ? value.length > 0 : Boolean(value),
  );
  return Object.fromEntries(asked) as { [K in keyof T]?: NonNullable<T[K]> };
}

function whenAny<K extends string, T extends object>(name: K, part: T) {
  return (Object.keys(part).length === 0 ? {} : { [name]: part }) as { [P in K]?: T };
}

function refuseContradictions(limits: LimitOptions): void {
  const { memory, memorySwap, memoryReservation } = limits;
  if (memorySwap && !memory) {
    throw contradiction(
      "--memory-swap counts memory and swap together, so it needs --memory as well",
      "add -m SIZE",
    );
  }
  if (memorySwap && memory && memorySwap > 0 && memorySwap < memory) {
    throw contradiction(
      "--memory-swap counts memory and swap together, so it cannot be less than --memory",
      "make it at least as much, or -1 for as much swap as there is",
    );
  }
  if (memoryReservation && memory && memoryReservation > memory) {
    throw contradiction(
      "--memory-reservation cannot be more than --memory",
      "reserve at most what the container may use",
    );
  }
  if (limits.nanoCpus && (limits.cpuQuota || limits.cpuPeriod)) {
    throw contradiction(
      "--cpus says the same as --cpu-quota and --cpu-period",
      "use one or the other",
    );
  }
  const [duplicate] = Object.keys(limits.unified).filter((name) => controls(limits, name));
  if (duplicate !== undefined) {
    throw contradiction(
      `--cgroup-conf "${duplicate}" is set by another flag as well`,
      "use one or the other",
    );
  }
  if (limits.cgroups === "disabled") {
    const asked = Object.keys(linuxResources({ ...limits, cgroups: "enabled" }) ?? {})[0];
    if (asked !== undefined || limits.cgroupParent !== null) {
      throw contradiction(
        "--cgroups=disabled leaves the container without a cgroup, so nothing can be limited",
        "leave away --cgroups or the limits",
      );
    }
  }
}

function controls(limits: LimitOptions, file: string): boolean {
  switch (file) {
    case "memory.max":
      return Boolean(limits.memory);
    case "memory.swap.max":
      return Boolean(limits.memorySwap);
    case "memory.low":
      return Boolean(limits.memoryReservation);
    case "cpu.max":
      return Boolean(limits.nanoCpus || limits.cpuQuota || limits.cpuPeriod);
    case "cpu.weight":
      return Boolean(limits.cpuShares);
    case "cpuset.cpus":
      return Boolean(limits.cpusetCpus);
    case "cpuset.mems":
      return Boolean(limits.cpusetMems);
    case "pids.max":
      return Boolean(limits.pids);
    default:
      return false;
  }
}

function contradiction(message: string, next: string): TspodError {
  return new TspodError("usage", message, { next });
}
