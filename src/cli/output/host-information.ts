/** `info --format`: what docker's and podman's scripts look for, under both their names, besides our own facts. */
import { existsSync, readFileSync, statfsSync } from "node:fs";
import { cpus, hostname, release, totalmem, uptime } from "node:os";
import { type Container, statusOf } from "../../container/index.ts";
import { hostCgroup, ownRuntime } from "../../host/index.ts";
import { defaultCapabilities } from "../../spec/index.ts";
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
  const docker = {
    ID: "",
    Name: hostname(),
    ServerVersion: build.version,
    ...{ ContainersPaused: all.paused, ContainersStopped: all.stopped },
    Driver: counted.driver,
    DriverStatus: [["Native Overlay Diff", String(counted.driver === "overlay")]],
    LoggingDriver: "k8s-file",
    CgroupDriver: cgroup.manager,
    CgroupVersion: cgroup.version === "v2" ? "2" : "1",
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
    Plugins: { Volume: ["local"], Network: ["bridge", "host", "none"], Log: logDrivers },
    Swarm: { LocalNodeState: "inactive" },
    ...{ Labels: [], Warnings: [], ExperimentalBuild: false, LiveRestoreEnabled: true },
  };
  const podman = {
    host: hostOf(context, { architecture, isRootless, system }),
    store: storeOf(context, counted, all),
    registries: {},
    plugins: { volume: ["local"], network: ["bridge"], log: logDrivers },
    version: {
      ...{ Version: build.version, APIVersion: build.version },
      GitCommit: build.commit,
      ...{ Built: Math.floor(Date.parse(build.date) / 1000) || 0, BuiltTime: build.date },
      OsArch: `linux/${process.arch === "x64" ? "amd64" : process.arch}`,
      Os: "linux",
    },
  };
  return { docker, podman };
}

const logDrivers = ["k8s-file", "json-file", "journald", "none", "passthrough"];

function storeOf(
  { paths }: CliContext,
  { containers, imageCount, driver }: Counted,
  all: ReturnType<typeof counts>,
) {
  const { bsize, blocks, bfree } = statfsSync(paths.data);
  return {
    containerStore: { number: containers.length, ...all },
    imageStore: { number: imageCount },
    configFile: "",
    graphDriverName: driver,
    ...{ graphOptions: {}, graphStatus: { "Native Overlay Diff": String(driver === "overlay") } },
    imageCopyTmpDir: paths.ingest,
    graphRoot: paths.data,
    graphRootAllocated: blocks * bsize,
    graphRootUsed: (blocks - bfree) * bsize,
    runRoot: paths.runtime,
    volumePath: paths.volumes,
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
    conmon: {
      ...{ package: `${ownRuntime}-${build.version}`, path: context.helper[0] ?? "" },
      version: `${ownRuntime} ${build.version}, commit: ${build.commit}`,
    },
    cpus: cpus().length,
    cpuUtilization: utilization(),
    distribution: { distribution: system.id, version: system.version },
    eventLogger: "file",
    hostname: hostname(),
    idMappings: { uidmap: lines(mapping.uid), gidmap: lines(mapping.gid) },
    kernel: release(),
    ...{ linkmode: "static", logDriver: "k8s-file" },
    ...memory(),
    networkBackend: ownRuntime,
    ociRuntime: { name: ownRuntime, path: context.helper[0] ?? "", version: build.version },
    os: "linux",
    remoteSocket: { path: "", exists: false },
    serviceIsRemote: false,
    security: {
      apparmorEnabled: readText("/sys/module/apparmor/parameters/enabled").startsWith("Y"),
      capabilities: defaultCapabilities.join(","),
      rootless: isRootless,
      seccompEnabled: true,
      selinuxEnabled: existsSync("/sys/fs/selinux/enforce"),
    },
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

/** Since the host began: proc_stat(5), in hundredths. */
function utilization() {
  const [user = 0, nice = 0, system = 0, idle = 0, ...others] = (
    /^cpu +(.*)$/m.exec(readText("/proc/stat"))?.[1] ?? ""
  )
    .split(" ")
    .map(Number);
  const all = [user, nice, system, idle, ...others.slice(0, 4)].reduce(
    (sum, part) => sum + part,
    0,
  );
  const percent = (part: number): number => Math.round((part / Math.max(all, 1)) * 10_000) / 100;
  return {
    ...{ userPercent: percent(user + nice), systemPercent: percent(system) },
    idlePercent: percent(idle),
  };
}

/** proc_meminfo(5), in bytes. */
function memory() {
  const text = readText("/proc/meminfo");
  const bytes = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text)?.[1] ?? 0) * 1024;
  return {
    ...{ memFree: bytes("MemFree"), memTotal: bytes("MemTotal") },
    ...{ swapFree: bytes("SwapFree"), swapTotal: bytes("SwapTotal") },
  };
}

/** os-release(5). */
function operatingSystem(): System {
  const text = readText("/etc/os-release");
  const field = (name: string): string =>
    (new RegExp(`^${name}=(.*)$`, "m").exec(text)?.[1] ?? "").replace(/^["']|["']$/g, "");
  return { name: field("PRETTY_NAME"), id: field("ID"), version: field("VERSION_ID") };
}

/** "" of a host of few words. */
function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // no such thing here
  }
}
