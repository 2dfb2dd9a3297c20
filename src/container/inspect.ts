/**
 * One container in the shape docker's and podman's scripts expect from `inspect`: both names where they differ. Its parts
 * are in the files beside: configuration, what was asked of the host, mounts, health.
 */
import { ownRuntime } from "../host/index.ts";
import type { RuntimeSpec } from "../oci/runtime-spec.ts";
import { type CreateOptions, type HelperSettings, joinedContainer } from "../spec/index.ts";
import { containerDirectory, isUp } from "../store/containers.ts";
import { readContainerFile } from "./files.ts";
import type { Container, Store } from "./find.ts";
import { imageOf, inspectConfig } from "./inspect-config.ts";
import { inspectError, inspectHealth } from "./inspect-health.ts";
import { inspectHost } from "./inspect-host.ts";
import { inspectMounts } from "./inspect-mounts.ts";
import { inspectNetwork } from "./inspect-network.ts";
import type { ContainerSize } from "./sizes.ts";
import { restartCountOf, statusOf } from "./status.ts";

const neverTime = "0001-01-01T00:00:00Z";

export type ContainerInspection = ReturnType<typeof inspectContainer>;

/** `size`: see containerSize(), shown when given. Errors: container.not_found when its files are gone. */
export function inspectContainer(context: Store, container: Container, size?: ContainerSize) {
  const config = readContainerFile<RuntimeSpec>(context, container.id, "config.json");
  const helper = readContainerFile<HelperSettings>(context, container.id, "helper.json");
  const options = container.options as CreateOptions; // create recorded it
  const image = imageOf(context, container);
  const directory = containerDirectory(context.paths, container.id);
  const joined = joinedContainer(options);
  const [path = "", ...args] = container.command;
  return {
    Id: container.id,
    Created: container.createdAt,
    Path: path,
    Args: args,
    State: {
      ...inspectState(container, config),
      ConmonPid: "monitorPid" in container.state ? container.state.monitorPid : 0,
      ...inspectHealth(context.paths, container.id, container.state, helper.health),
    },
    Image: container.imageId,
    ImageDigest: image?.digest ?? "",
    ImageName: options.rootfs === undefined ? container.imageName : "",
    Rootfs: options.rootfs?.directory ?? "",
    ...{ Pod: "", IsInfra: false, IsService: false },
    ResolvConfPath: sourceOf(config, "resolv.conf"),
    HostnamePath: sourceOf(config, "hostname"),
    HostsPath: sourceOf(config, "hosts"),
    StaticDir: directory,
    LogPath: "path" in helper.log ? helper.log.path : "",
    OCIConfigPath: `${directory}/config.json`,
    OCIRuntime: helper.runtime?.name ?? ownRuntime,
    ConmonPidFile: options.details?.monitorPidFile ?? "",
    PidFile: options.details?.pidFile ?? "",
    ...{ Name: container.name, Namespace: "" },
    RestartCount: restartCountOf(container),
    Driver: helper.rootfs.kind,
    Platform: "linux",
    MountLabel: config.linux.mountLabel ?? "",
    ProcessLabel: config.process.selinuxLabel ?? "",
    AppArmorProfile: config.process.apparmorProfile ?? "",
    EffectiveCaps: config.process.capabilities?.effective ?? [],
    BoundingCaps: config.process.capabilities?.bounding ?? [],
    ExecIDs: [],
    Dependencies: [...new Set([...(joined === null ? [] : [joined]), ...(options.requires ?? [])])],
    GraphDriver: { Name: helper.rootfs.kind, Data: graphData(helper) },
    ...sizes(size),
    Mounts: inspectMounts(options, config),
    Config: inspectConfig(context, container, { image, config, helper }),
    HostConfig: inspectHost(container, config, helper),
    NetworkSettings: inspectNetwork(container, helper),
  };
}

function inspectState(container: Container, { ociVersion }: RuntimeSpec) {
  const { state } = container;
  const status = statusOf(container);
  const exited = state.status === "exited";
  const hasEnded = exited || state.status === "restarting";
  const isRunning = state.status === "running";
  return {
    OciVersion: ociVersion,
    Status: status,
    Running: isUp(state),
    Paused: status === "paused",
    Restarting: status === "restarting",
    OOMKilled: state.status !== "created" && (state.oomKilled ?? false),
    Dead: false,
    Pid: isRunning ? state.pid : 0,
    ExitCode: hasEnded ? state.exitCode : 0,
    Error: inspectError(state),
    StartedAt: state.status === "created" ? neverTime : state.startedAt,
    FinishedAt: hasEnded ? state.finishedAt : neverTime,
    CgroupPath: isRunning ? state.cgroup : "",
    ...{ CheckpointedAt: neverTime, RestoredAt: neverTime, Checkpointed: false, Restored: false },
    ...{ CheckpointLog: "", CheckpointPath: "", RestoreLog: "" },
  };
}

/** The file that is /etc/NAME inside; "": the image's own. */
function sourceOf({ mounts }: RuntimeSpec, name: string): string {
  return mounts.find(({ destination }) => destination === `/etc/${name}`)?.source ?? "";
}

function graphData({ rootfs }: HelperSettings): Record<string, string> {
  if (rootfs.kind === "directory") return {};
  const LowerDir = rootfs.lower.join(":");
  if (rootfs.kind === "copy") return { LowerDir };
  return { LowerDir, UpperDir: rootfs.upper, WorkDir: rootfs.work };
}

/** Without --size nil, as docker has it. */
function sizes(size: ContainerSize | undefined) {
  return { SizeRw: size?.writableBytes, SizeRootFs: size?.virtualBytes };
}
