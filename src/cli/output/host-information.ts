/** `info --format`: what docker's and podman's scripts look for, under both their names, besides our own facts. */
import { readFileSync } from "node:fs";
import { cpus, hostname, release, totalmem, uptime } from "node:os";
import { type Container, statusOf } from "../../container/index.ts";
import { hostCgroup, ownRuntime } from "../../host/index.ts";
import { build } from "../../version.ts";
import type { CliContext } from "../command.ts";

export interface Counted {
  containers: readonly Container[];
  imageCount: number;
  /** "overlay", "copy"... */
  driver: string;
}

export function hostInformation(context: CliContext, counted: Counted) {
  const cgroup = hostCgroup(context.environment);
  const architecture = process.arch === "x64" ? "x86_64" : "aarch64";
  const all = counts(counted.containers);
  const system = operatingSystem();
  const isRootless = process.geteuid?.() !== 0;
  return {
    // docker's
    ID: "",
    Name: hostname(),
    ServerVersion: build.version,
    ...{ ContainersPaused: all.paused, ContainersStopped: all.stopped },
    Driver: counted.driver,
    DriverStatus: [["Native Overlay Diff", String(counted.driver === "overlay")]],
    LoggingDriver: "k8s-file",
    CgroupDriver: cgroup.manager,
    KernelVersion: release(),
    OperatingSystem: system.name,
    OSType: "linux",
    OSVersion: system.version,
    Architecture: architecture,
    NCPU: cpus().length,
    MemTotal: totalmem(),
    MemoryLimit: cgroup.controllers.includes("memory"),
    PidsLimit: cgroup.controllers.includes("pids"),
    CPUShares: cgroup.controllers.includes("cpu"),
    CPUSet: cgroup.controllers.includes("cpuset"),
    DockerRootDir: context.paths.data,
    DefaultRuntime: ownRuntime,
    SecurityOptions: ["name=seccomp,profile=default", ...(isRootless ? ["name=rootless"] : [])],
    IndexServerAddress: "https://index.docker.io/v1/",
    Warnings: [],
    // podman's
    host: hostOf(context, { architecture, isRootless, system }),
    store: {
      containerStore: { number: counted.containers.length, ...all },
      imageStore: { number: counted.imageCount },
      graphDriverName: counted.driver,
      graphRoot: context.paths.data,
      runRoot: context.paths.runtime,
      volumePath: context.paths.volumes,
    },
    version: {
      Version: build.version,
      GitCommit: build.commit,
      OsArch: `linux/${process.arch === "x64" ? "amd64" : process.arch}`,
    },
  };
}

interface System {
  name: string;
  id: string;
  version: string;
}

function hostOf(
  context: CliContext,
  {
    architecture,
    isRootless,
    system,
  }: { architecture: string; isRootless: boolean; system: System },
) {
  const cgroup = hostCgroup(context.environment);
  const { mapping } = context;
  const lines = (map: readonly { containerID: number; hostID: number; size: number }[]) =>
    map.map(({ containerID, hostID, size }) => ({
      ...{ container_id: containerID, host_id: hostID, size },
    }));
  return {
    arch: architecture === "x86_64" ? "amd64" : "arm64",
    cgroupControllers: cgroup.controllers,
    cgroupManager: cgroup.manager,
    cgroupVersion: cgroup.version,
    cpus: cpus().length,
    distribution: { distribution: system.id, version: system.version },
    eventLogger: "file",
    hostname: hostname(),
    idMappings: { uidmap: lines(mapping.uid), gidmap: lines(mapping.gid) },
    kernel: release(),
    logDriver: "k8s-file",
    memTotal: totalmem(),
    ociRuntime: { name: ownRuntime, version: build.version },
    os: "linux",
    security: { rootless: isRootless, seccompEnabled: true },
    uptime: `${Math.floor(uptime())}s`,
  };
}

function counts(containers: readonly Container[]) {
  const number = (...wanted: string[]): number =>
    containers.filter((container) => wanted.includes(statusOf(container))).length;
  return {
    paused: number("paused"),
    running: number("running"),
    stopped: number("created", "exited", "restarting"),
  };
}

/** os-release(5). */
function operatingSystem(): System {
  let text = "";
  try {
    text = readFileSync("/etc/os-release", "utf8");
  } catch {
    // a host of few words
  }
  const field = (name: string): string =>
    (new RegExp(`^${name}=(.*)$`, "m").exec(text)?.[1] ?? "").replace(/^["']|["']$/g, "");
  return { name: field("PRETTY_NAME"), id: field("ID"), version: field("VERSION_ID") };
}
