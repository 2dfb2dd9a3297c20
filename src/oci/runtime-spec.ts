/** The OCI runtime specification's config.json for Linux (1.2, and what 1.3 added to it). Types only. */

export interface RuntimeSpec {
  ociVersion: string;
  process: Process;
  root: { path: string; readonly?: boolean };
  hostname?: string;
  domainname?: string;
  mounts: Mount[];
  hooks?: Hooks;
  annotations?: Record<string, string>;
  linux: Linux;
}

/** config.md "Process", config-linux.md "POSIX process". */
export interface Process {
  terminal?: boolean;
  consoleSize?: { height: number; width: number };
  user: { uid: number; gid: number; umask?: number; additionalGids?: number[] };
  args: string[];
  env: string[];
  cwd: string;
  capabilities?: Capabilities;
  rlimits?: { type: string; soft: number; hard: number }[];
  noNewPrivileges?: boolean;
  oomScoreAdj?: number;
  apparmorProfile?: string;
  selinuxLabel?: string;
  scheduler?: Scheduler;
  ioPriority?: { class: string; priority: number };
  /** Lists of CPUs as in "0-3,7"; only of processes that join a running container. */
  execCPUAffinity?: { initial?: string; final?: string };
}

export interface Capabilities {
  bounding: string[];
  effective: string[];
  permitted: string[];
  inheritable: string[];
  ambient: string[];
}

/** sched_setattr(2); times in nanoseconds. */
export interface Scheduler {
  policy: string;
  nice?: number;
  priority?: number;
  flags?: string[];
  runtime?: number;
  deadline?: number;
  period?: number;
}

export interface Mount {
  destination: string;
  type?: string;
  source?: string;
  options?: string[];
  uidMappings?: IdMappingLine[];
  gidMappings?: IdMappingLine[];
}

export interface IdMappingLine {
  containerID: number;
  hostID: number;
  size: number;
}

export interface Hook {
  path: string;
  args?: string[];
  env?: string[];
  /** Seconds. */
  timeout?: number;
}

export type HookKind =
  "prestart" | "createRuntime" | "createContainer" | "startContainer" | "poststart" | "poststop";
export type Hooks = Partial<Record<HookKind, Hook[]>>;

export interface Linux {
  namespaces: { type: NamespaceType; path?: string }[];
  uidMappings?: IdMappingLine[];
  gidMappings?: IdMappingLine[];
  timeOffsets?: Record<string, { secs?: number; nanosecs?: number }>;
  devices?: Device[];
  cgroupsPath?: string;
  resources?: Resources;
  sysctl?: Record<string, string>;
  seccomp?: Seccomp;
  maskedPaths?: string[];
  readonlyPaths?: string[];
  rootfsPropagation?: string;
  mountLabel?: string;
  personality?: { domain: "LINUX" | "LINUX32"; flags?: string[] };
  memoryPolicy?: { mode: string; nodes?: string; flags?: string[] };
}

export type NamespaceType =
  "user" | "pid" | "mount" | "network" | "ipc" | "uts" | "cgroup" | "time";

export interface Device {
  path: string;
  type: string;
  major?: number;
  minor?: number;
  fileMode?: number;
  uid?: number;
  gid?: number;
}

/** config-linux.md "Seccomp". */
export interface Seccomp {
  defaultAction: string;
  defaultErrnoRet?: number;
  architectures?: string[];
  flags?: string[];
  listenerPath?: string;
  listenerMetadata?: string;
  syscalls: SeccompRule[];
}

export interface SeccompRule {
  names: string[];
  action: string;
  errnoRet?: number;
  args?: SeccompArgument[];
}

export interface SeccompArgument {
  index: number;
  value: number;
  valueTwo?: number;
  op: string;
}

/** config-linux.md "Control groups". */
export interface Resources {
  devices?: { allow: boolean; type?: string; major?: number; minor?: number; access?: string }[];
  /** Bytes; -1 is unlimited. `swap` is memory and swap together. */
  memory?: {
    limit?: number;
    reservation?: number;
    swap?: number;
    kernel?: number;
    kernelTCP?: number;
    swappiness?: number;
    disableOOMKiller?: boolean;
    useHierarchy?: boolean;
    checkBeforeUpdate?: boolean;
  };
  /** Times in microseconds. */
  cpu?: {
    shares?: number;
    quota?: number;
    burst?: number;
    period?: number;
    realtimeRuntime?: number;
    realtimePeriod?: number;
    cpus?: string;
    mems?: string;
    idle?: number;
  };
  pids?: { limit: number };
  blockIO?: BlockIo;
  hugepageLimits?: { pageSize: string; limit: number }[];
  network?: { classID?: number; priorities?: { name: string; priority: number }[] };
  rdma?: Record<string, { hcaHandles?: number; hcaObjects?: number }>;
  unified?: Record<string, string>;
}

export interface BlockIo {
  weight?: number;
  leafWeight?: number;
  weightDevice?: { major: number; minor: number; weight?: number; leafWeight?: number }[];
  throttleReadBpsDevice?: ThrottleDevice[];
  throttleWriteBpsDevice?: ThrottleDevice[];
  throttleReadIOPSDevice?: ThrottleDevice[];
  throttleWriteIOPSDevice?: ThrottleDevice[];
}

/** `rate` in bytes or operations a second. */
export interface ThrottleDevice {
  major: number;
  minor: number;
  rate: number;
}
