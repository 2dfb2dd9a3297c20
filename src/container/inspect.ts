/** One container in the shape docker's and podman's scripts expect from `inspect`. */
import { ownRuntime } from "../host/index.ts";
import type { IdMappingLine, RuntimeSpec } from "../oci/runtime-spec.ts";
import {
  type CreateOptions,
  defaultSecurity,
  defaultSetup,
  formatSignal,
  type HelperSettings,
  type Joined,
  type LimitOptions,
  noLimits,
  type SetupOptions,
  type ThrottleKind,
} from "../spec/index.ts";
import { containerDirectory, type ContainerState, isPaused, isUp } from "../store/containers.ts";
import type { ContainerContext } from "./context.ts";
import { readContainerFile } from "./files.ts";
import { type Container } from "./find.ts";
import {
  inspectError,
  inspectHealth,
  inspectHealthcheck,
  inspectRestart,
} from "./inspect-health.ts";
import { namespacesOf } from "./joined.ts";

const neverTime = "0001-01-01T00:00:00Z";

export type ContainerInspection = ReturnType<typeof inspectContainer>;

/** Errors: container.not_found when its files are gone. */
export function inspectContainer(context: Pick<ContainerContext, "paths">, container: Container) {
  const config = readContainerFile<RuntimeSpec>(context, container.id, "config.json");
  const helper = readContainerFile<HelperSettings>(context, container.id, "helper.json");
  const options = container.options as CreateOptions; // create recorded it
  const directory = containerDirectory(context.paths, container.id);
  const { security = defaultSecurity } = options;
  const [path = "", ...args] = container.command;
  return {
    Id: container.id,
    Created: container.createdAt,
    Path: path,
    Args: args,
    State: {
      ...inspectState(container.state, isPaused(context.paths, container.id)),
      ...inspectHealth(context.paths, container.id, container.state, helper.health),
    },
    RestartCount: container.state.status === "created" ? 0 : (container.state.restartCount ?? 0),
    Image: container.imageId,
    ImageName: container.imageName,
    Name: container.name,
    ResolvConfPath: `${directory}/resolv.conf`,
    HostnamePath: `${directory}/hostname`,
    HostsPath: `${directory}/hosts`,
    LogPath: helper.log.path,
    OCIConfigPath: `${directory}/config.json`,
    Driver: helper.rootfs.kind,
    EffectiveCaps: config.process.capabilities?.effective ?? [],
    BoundingCaps: config.process.capabilities?.bounding ?? [],
    AppArmorProfile: config.process.apparmorProfile ?? "",
    ProcessLabel: config.process.selinuxLabel ?? "",
    MountLabel: config.linux.mountLabel ?? "",
    OCIRuntime: helper.runtime?.name ?? ownRuntime,
    GraphDriver: { Name: helper.rootfs.kind, Data: graphData(helper) },
    Mounts: config.mounts.filter(isUserMount(options)).map(inspectMount),
    Config: {
      Hostname: config.hostname ?? "",
      User: helper.user,
      AttachStdin: options.interactive,
      Tty: options.tty,
      OpenStdin: options.interactive,
      Env: config.process.env,
      Cmd: options.command,
      Entrypoint: options.entrypoint,
      Image: container.imageName,
      WorkingDir: config.process.cwd,
      Labels: container.labels,
      Annotations: config.annotations ?? {},
      ...inspectHealthcheck(helper.health, healthWords(context, container.id, helper)),
      Timeout: (helper.lifetimeMs ?? 0) / 1000,
      StopSignal: formatSignal(helper.stopSignal),
      StopTimeout: helper.stopTimeoutMs / 1000,
      Umask: octal(config.process.user.umask ?? 0),
    },
    HostConfig: {
      AutoRemove: container.autoRemove,
      ...inspectRestart(helper),
      NetworkMode: options.network,
      ReadonlyRootfs: options.isReadOnly,
      Init: options.init,
      Privileged: security.isPrivileged,
      CapAdd: security.capAdd,
      CapDrop: security.capDrop,
      SecurityOpt: security.securityOpt,
      MaskedPaths: config.linux.maskedPaths ?? [],
      ReadonlyPaths: config.linux.readonlyPaths ?? [],
      ...inspectLimits(options.limits ?? noLimits, config),
      ...inspectSetup(options.setup ?? defaultSetup, config),
      LogConfig: { Type: helper.log.driver, Config: {} },
      ...inspectNamespaces(container),
      IDMappings: {
        UidMap: (config.linux.uidMappings ?? []).map(mapLine),
        GidMap: (config.linux.gidMappings ?? []).map(mapLine),
      },
    },
    NetworkSettings: { IPAddress: "", Ports: {}, Networks: {} },
  };
}

/** The command that asks it how it is. */
function healthWords(
  context: Pick<ContainerContext, "paths">,
  id: string,
  { health }: HelperSettings,
): string[] | undefined {
  if (health === undefined) return undefined;
  const { process } = readContainerFile<RuntimeSpec>(context, id, "health-exec.json");
  return process.args;
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
    OomScoreAdj: process.oomScoreAdj ?? 0,
    CpuShares: limits.cpuShares ?? 0,
    CpuPeriod: limits.cpuPeriod ?? 0,
    CpuQuota: limits.cpuQuota ?? 0,
    NanoCpus: limits.nanoCpus ?? 0,
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

const octal = (mode: number): string => mode.toString(8).padStart(4, "0");

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

function inspectState(state: ContainerState, isFrozen: boolean) {
  const exited = state.status === "exited";
  const hasEnded = exited || state.status === "restarting";
  return {
    Status: isFrozen ? "paused" : state.status,
    Running: isUp(state),
    Paused: isFrozen,
    Restarting: state.status === "restarting",
    OOMKilled: exited && state.oomKilled,
    Dead: false,
    Pid: state.status === "running" ? state.pid : 0,
    ExitCode: hasEnded ? state.exitCode : 0,
    Error: inspectError(state),
    StartedAt: state.status === "created" ? neverTime : state.startedAt,
    FinishedAt: hasEnded ? state.finishedAt : neverTime,
  };
}

function graphData({ rootfs }: HelperSettings): Record<string, string> {
  const LowerDir = rootfs.lower.join(":");
  if (rootfs.kind === "copy") return { LowerDir };
  return { LowerDir, UpperDir: rootfs.upper, WorkDir: rootfs.work };
}

type Mount = RuntimeSpec["mounts"][number];

function isUserMount(options: CreateOptions): (mount: Mount) => boolean {
  const destinations = new Set(options.mounts.map((mount) => mount.destination));
  return (mount) => destinations.has(mount.destination);
}

function inspectMount(mount: Mount) {
  const options = mount.options ?? [];
  return {
    Type:
      mount.type === "tmpfs"
        ? "tmpfs"
        : /\/volumes\/[^/]+\/_data$/.test(mount.source ?? "")
          ? "volume"
          : "bind",
    Source: mount.type === "tmpfs" ? "" : (mount.source ?? ""),
    Destination: mount.destination,
    Mode: options.join(","),
    RW: !options.includes("ro"),
    Propagation: options.find((option) => /^r?(private|shared|slave)$/.test(option)) ?? "",
  };
}
