/** `HostConfig` of `inspect`: what was asked of the host for a container. What was not is 0, "", false or empty. */
import { ownRuntime } from "../host/index.ts";
import type { IdMappingLine, RuntimeSpec } from "../oci/runtime-spec.ts";
import {
  type CreateOptions,
  defaultSecurity,
  defaultSetup,
  type HelperSettings,
  type Joined,
  type LimitOptions,
  noLimits,
  type SetupOptions,
  type ThrottleKind,
} from "../spec/index.ts";
import type { Container } from "./find.ts";
import { inspectLog, inspectRestart } from "./inspect-health.ts";
import { inspectHostMounts } from "./inspect-mounts.ts";
import { inspectNetworkHost } from "./inspect-network.ts";
import { namespacesOf } from "./asked.ts";

export function inspectHost(container: Container, config: RuntimeSpec, helper: HelperSettings) {
  const options = container.options as CreateOptions; // create recorded it
  const { security = defaultSecurity } = options;
  return {
    ...inspectHostMounts(options),
    ContainerIDFile: "",
    LogConfig: inspectLog(helper),
    ...inspectNetworkHost(container, helper),
    ...inspectRestart(helper),
    AutoRemove: container.autoRemove,
    ...{ VolumeDriver: "", ConsoleSize: [0, 0], Isolation: "" },
    ReadonlyRootfs: options.isReadOnly,
    Init: options.init,
    Runtime: helper.runtime?.name ?? ownRuntime,
    Privileged: security.isPrivileged,
    CapAdd: security.capAdd,
    CapDrop: security.capDrop,
    SecurityOpt: security.securityOpt,
    MaskedPaths: config.linux.maskedPaths ?? [],
    ReadonlyPaths: config.linux.readonlyPaths ?? [],
    CgroupManager: helper.cgroup.manager,
    ...{ DiskQuota: 0, KernelMemory: 0 },
    ...inspectLimits(options.limits ?? noLimits, config),
    ...inspectSetup(options.setup ?? defaultSetup, config),
    ...inspectNamespaces(container),
    IDMappings: {
      UidMap: (config.linux.uidMappings ?? []).map(mapLine),
      GidMap: (config.linux.gidMappings ?? []).map(mapLine),
    },
  };
}

/** As docker names them; what was not asked for is 0 or empty. */
function inspectLimits(limits: LimitOptions, { linux, process }: RuntimeSpec) {
  const throttled = (kind: ThrottleKind) =>
    limits.throttle
      .filter((device) => device.kind === kind)
      .map(({ path, rate }) => ({ Path: path, Rate: rate }));
  return {
    Memory: limits.memory ?? 0,
    MemorySwap: linux.resources?.memory?.swap ?? 0,
    MemoryReservation: limits.memoryReservation ?? 0,
    MemorySwappiness: null,
    OomKillDisable: false,
    OomScoreAdj: process.oomScoreAdj ?? 0,
    CpuShares: limits.cpuShares ?? 0,
    CpuPeriod: limits.cpuPeriod ?? 0,
    CpuQuota: limits.cpuQuota ?? 0,
    NanoCpus: limits.nanoCpus ?? 0,
    ...{ CpuRealtimePeriod: 0, CpuRealtimeRuntime: 0, CpuCount: 0, CpuPercent: 0 },
    ...{ IOMaximumIOps: 0, IOMaximumBandwidth: 0 },
    CpusetCpus: limits.cpusetCpus ?? "",
    CpusetMems: limits.cpusetMems ?? "",
    PidsLimit: limits.pids ?? 0,
    BlkioWeight: limits.blkioWeight ?? 0,
    BlkioWeightDevice: limits.blkioWeightDevice.map(({ path, weight }) => ({
      Path: path,
      Weight: weight,
    })),
    BlkioDeviceReadBps: throttled("readBps"),
    BlkioDeviceWriteBps: throttled("writeBps"),
    BlkioDeviceReadIOps: throttled("readIops"),
    BlkioDeviceWriteIOps: throttled("writeIops"),
    ...{
      DeviceRequests: null,
      DeviceCgroupRules: limits.deviceRules.length === 0 ? null : rules(limits),
    },
    Cgroup: "",
    Cgroups: limits.cgroups,
    CgroupParent: limits.cgroupParent ?? "",
    CgroupConf: limits.unified,
  };
}

function inspectSetup(setup: SetupOptions, { mounts }: RuntimeSpec) {
  const shm = mounts.find(({ destination }) => destination === "/dev/shm");
  const size = shm?.options?.find((option) => option.startsWith("size="));
  const keeps = setup.keepGroups ? ["keep-groups"] : [];
  return {
    Devices: setup.devices.map(({ source, destination, permissions }) => ({
      ...{ PathOnHost: source, PathInContainer: destination, CgroupPermissions: permissions },
    })),
    GroupAdd: [...setup.groups, ...keeps],
    Ulimits: setup.ulimits.map(({ name, soft, hard }) => ({
      ...{ Name: name, Soft: soft ?? -1, Hard: hard ?? -1 },
    })),
    Sysctls: setup.sysctls,
    ShmSize: Number(size?.slice("size=".length) ?? 0),
  };
}

function rules({ deviceRules }: LimitOptions): string[] {
  return deviceRules.map(({ type = "a", major, minor, access = "rwm" }) => {
    const number = [major, minor].map((part) => (part === undefined ? "*" : String(part)));
    return `${type} ${number.join(":")} ${access}`;
  });
}

function inspectNamespaces(container: Container) {
  const { usernsText, ipc, pid, uts, cgroup } = namespacesOf(container);
  const text = (mode: string | Joined): string =>
    typeof mode === "object" ? `container:${mode.container}` : mode;
  return {
    UsernsMode: usernsText,
    IpcMode: text(ipc),
    PidMode: text(pid),
    UTSMode: text(uts),
    CgroupMode: text(cgroup), // podman's word
    CgroupnsMode: text(cgroup), // docker's
  };
}

const mapLine = ({ containerID, hostID, size }: IdMappingLine): string =>
  `${containerID}:${hostID}:${size}`;
