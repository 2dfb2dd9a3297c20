/** What somebody asks of a new container, as plain data: cli, api, compose and kube all end here. */

import type { HealthAction, RestartRule } from "../helper/contract.ts";
import type { DetailOptions } from "./details.ts";
import type { LimitOptions } from "./resources.ts";

export type NetworkMode =
  /** Its own, with the outside reached through our network process. */
  | "private"
  | "host"
  | "none"
  | Joined
  /** A namespace that is there already: an absolute path. */
  | { path: string }
  /** A program of the host's makes the connection. */
  | { tool: NetworkTool; options: string[] }
  /**
   * Those that somebody has created, in the order of its interfaces. None: all have been left. `isPrivateToo`: it has come to
   * them with a private network, which is still its way out.
   */
  | { networks: NetworkUse[]; isPrivateToo?: true };

/** How a container is on a network. Null: as is found. */
export interface NetworkUse {
  /** As the user wrote it, until it is created. */
  name: string;
  /** More names of its own there. */
  aliases: string[];
  address4: string | null;
  address6: string | null;
  mac: string | null;
  interface: string | null;
}

export type NetworkTool = "pasta" | "slirp4netns";

/** Ports of the host that lead to those of a container, `count` of them from the two numbers on. */
export interface PublishedPort {
  protocol: "tcp" | "udp";
  /** "0.0.0.0" and "::" are all of a kind; "": all there are, until it is created. */
  hostAddress: string;
  /** 0: free ones, found when it is created. */
  hostPort: number;
  containerPort: number;
  count: number;
  /** The first of so many from `hostPort` on that is free, found when it is created. */
  choices?: number;
}

/** Port 0: all. */
export type EgressRule = { cidr: string; port: number } | { name: string; port: number };

export interface EgressOptions {
  isLogged: boolean;
  /** Null: everywhere. */
  allow: EgressRule[] | null;
}

/** Null: as usual. */
export interface NetworkOptions {
  ports: PublishedPort[];
  publishesAll: boolean;
  /** What the image says it listens to, "80/tcp": settled when created. */
  exposed: string[];
  address4: string | null;
  address6: string | null;
  mac: string | null;
  /** More names of its own. */
  aliases: string[];
  mtu: number | null;
  /** The gateway's address is also that of the host's loopback. */
  reachesHostLoopback: boolean;
  egress: EgressOptions | null;
  /** Sentences about what cannot be had as it was asked for. */
  warnings: string[];
}

interface MountPlace {
  /** Absolute and normal: no "..", no "/" at the end. */
  destination: string;
  /** Words of mount(8), as far as they are left to whoever mounts. */
  options: string[];
}

/** What can be asked of a directory that is mounted. */
interface MountedDirectory extends MountPlace {
  source: string;
  /** All of it is given to whoever the container runs as, when it is created. */
  givesAway?: true;
}

export interface BindMount extends MountedDirectory {
  /** `source` is an absolute path on the host. */
  kind: "bind";
}

export interface NamedVolumeMount extends MountedDirectory {
  /** `source` is a volume's name, made when missing; "" of an anonymous one that is yet to be made. */
  kind: "volume";
  isAnonymous?: true;
  /** An empty volume stays so, whatever the image has there. */
  isNotSeeded?: true;
  /** Relative, of something in it. */
  subpath?: string;
  /** Of a volume that is made for this mount. */
  labels?: Record<string, string>;
  driverOptions?: Record<string, string>;
  /** Settled when created: the volume is a directory elsewhere, or memory with these options. */
  device?: string;
  memory?: string[];
}

/** A directory of the host whose changes are kept elsewhere, or nowhere. */
export interface OverlayMount extends MountedDirectory {
  kind: "overlay";
  /** Both or none; none: thrown away with the container. */
  upper?: string;
  work?: string;
}

export interface ImageMount extends MountPlace {
  kind: "image";
  /** As the user wrote it. */
  source: string;
  isWritable: boolean;
  subpath?: string;
  /** Settled when created: its layers, topmost first, and whose they are (rmi asks for that). */
  layers?: string[];
  imageId?: string;
}

export interface PlainMount extends MountPlace {
  kind: "tmpfs" | "devpts" | "ramfs";
}

export type VolumeMount = BindMount | NamedVolumeMount | OverlayMount | ImageMount | PlainMount;

/** A secret that a container gets: a file, below /run/secrets unless `target` is absolute, or a variable. */
export type SecretUse = {
  /** As the user wrote it, until it is created. */
  name: string;
  /** Settled when created. */
  id?: string;
  target: string;
} & ({ type: "env" } | { type: "mount"; uid: number; gid: number; mode: number });

/** One line of --uidmap or --gidmap. */
export interface AskedIdLine {
  containerID: number;
  /** One of the caller's ids, counted from 0 (himself); with `isHost` an id of the host. */
  from: number;
  isHost: boolean;
  size: number;
}

/** How ids inside are those outside. */
export type UsernsMode =
  /** The caller is this user inside; null: the one he is outside. */
  | { kind: "keep-id"; uid: number | null; gid: number | null; size: number | null }
  /** The caller has no id inside: all are subordinate ones. */
  | { kind: "nomap" }
  /** Subordinate ids that no other such container has, from the `offset`th on, which is found when it is created. */
  | { kind: "auto"; size: number | null; offset?: number }
  | { kind: "maps"; uid: AskedIdLine[]; gid: AskedIdLine[] }
  /** The ranges that /etc/subuid and /etc/subgid have under these names, as 0.. inside. */
  | { kind: "names"; uid: string; gid: string }
  /** That of another container: its id, or as the user wrote it until it is created. */
  | { kind: "container"; container: string };

/** Another container's, by id (or as the user wrote it, until it is created). */
export interface Joined {
  container: string;
}

export interface NamespaceOptions {
  /** As the user wrote it, "" when he did not. */
  usernsText: string;
  /** Null: the caller is root inside. */
  userns: UsernsMode | null;
  ipc: "shareable" | "private" | "none" | "host" | Joined;
  pid: "private" | "host" | Joined;
  uts: "private" | "host" | Joined;
  cgroup: "private" | "host" | Joined;
}

/** A device of the host, by absolute paths. */
export interface DeviceOption {
  source: string;
  destination: string;
  /** Of "rwm": what was asked; an ordinary user's container may do what the user may. */
  permissions: string;
}

/** getrlimit(2): "nofile"; null is unlimited. */
export interface Ulimit {
  name: string;
  soft: number | null;
  hard: number | null;
}

/** What the processes of a container find: devices, groups, limits, kernel parameters. */
export interface SetupOptions {
  devices: DeviceOption[];
  /** With --privileged: what of the host's /dev the caller may use. */
  hostDevices: string[];
  /** Numbers, or names of the image's /etc/group. */
  groups: string[];
  /** The caller's own supplementary groups stay, whether they have a number inside or not. */
  keepGroups: boolean;
  ulimits: Ulimit[];
  /** "net.ipv4.ip_forward" -> "1" */
  sysctls: Record<string, string>;
  /** Of /dev/shm; 0: no limit; null: the default. */
  shmSizeBytes: number | null;
  umask: number | null;
  /** Sentences about what cannot be had as it was asked for, and is none the less harmless. */
  warnings: string[];
}

export type SeccompChoice =
  | { kind: "default" }
  | { kind: "unconfined" }
  /** A profile in OCI's or Docker's form: `name` is what the user called it, `text` is JSON. */
  | { kind: "profile"; name: string; text: string };

/** How much a container may do. */
export interface SecurityOptions {
  isPrivileged: boolean;
  /** "CAP_X" or "ALL"; no name is in both. */
  capAdd: string[];
  capDrop: string[];
  /** As the user wrote each --security-opt. */
  securityOpt: string[];
  noNewPrivileges: boolean;
  /** Null: the default, or with `isPrivileged` none. */
  seccomp: SeccompChoice | null;
  /** A profile that the host has loaded; null: none. */
  apparmor: string | null;
  /** SELinux: "disable", "user:U", "role:R", "type:T", "level:L", "filetype:T". */
  labels: string[];
  /** Absolute paths that are hidden too. */
  mask: string[];
  /** Absolute paths, perhaps with * and ?, that are neither hidden nor read-only; "ALL": none is. */
  unmask: string[];
  /** Of the mount of /proc: "hidepid=2". */
  procOptions: string[];
}

/** What of a health check was asked for; null: what the image says, or the default. */
export interface HealthOptions {
  /** Docker's form: ["CMD", ...], ["CMD-SHELL", text] or ["NONE"]. */
  test: string[] | null;
  intervalMs: number | null;
  timeoutMs: number | null;
  startPeriodMs: number | null;
  startIntervalMs: number | null;
  retries: number | null;
  onFailure: HealthAction;
  logCountMax: number | null;
  logBytesMax: number | null;
  /** Absent: there is none. */
  startup?: StartupOptions;
}

/** Of the check before the check; null: the default. */
export interface StartupOptions {
  /** As of the check; null in a change: the same command. */
  test: string[] | null;
  intervalMs: number | null;
  timeoutMs: number | null;
  retries: number | null;
  successes: number | null;
}

/** What of it is to be another way; null: as it is. */
export type HealthChange = Omit<HealthOptions, "onFailure"> & { onFailure: HealthAction | null };

export const logDrivers = ["k8s-file", "json-file", "journald", "none", "passthrough"] as const;

/** Null: the default. */
export interface LogOptions {
  driver: (typeof logDrivers)[number];
  path: string | null;
  maxBytes: number | null;
  maxFiles: number | null;
  /** With {{.Name}} and the like. */
  tag: string | null;
}

/** What its monitor does for a container. */
export interface LifeOptions {
  restart: RestartRule;
  /** It is killed after that; 0: it may run for ever. */
  lifetimeMs: number;
  /** Null: the image's own check, if it has one. */
  health: HealthOptions | null;
  /** Absent: a file beside the container. */
  log?: LogOptions;
  sdnotify: "container" | "conmon" | "healthy" | "ignore";
}

/** A directory of the host that is a root file system. */
export interface DirectoryRoot {
  /** Absolute. */
  directory: string;
  /** What is written stays apart from it, and goes away with the container. */
  isThrowAway: boolean;
}

export interface CreateOptions {
  /** As the user wrote it. */
  image: string;
  /** Stands in an image's place: `image` is then what the user wrote. */
  rootfs?: DirectoryRoot;
  /** Replaces the image's Cmd; empty: keep it. */
  command: string[];
  /** Replaces the image's Entrypoint; [] removes it; null keeps it. */
  entrypoint: string[] | null;
  name: string | null;
  /** "KEY=value", after --env-file and the caller's own variables have been resolved. */
  environment: string[];
  labels: Record<string, string>;
  workdir: string | null;
  /** "name|uid[:group|gid]", or null for the image's. */
  user: string | null;
  hostname: string | null;
  network: NetworkMode;
  /** One a destination. */
  mounts: VolumeMount[];
  /** Of other containers, "NAME[:OPTIONS]"; `mounts` go before them. */
  volumesFrom?: string[];
  /** Containers that are started before it: as the user wrote it, ids once it is created. */
  requires?: string[];
  /** Absent: none. */
  secrets?: SecretUse[];
  /** Where the image says that a volume should be, and nothing else is mounted. Absent: anonymous. */
  imageVolume?: "anonymous" | "tmpfs" | "ignore";
  isReadOnly: boolean;
  interactive: boolean;
  tty: boolean;
  init: boolean;
  /** Another OCI runtime than our own. */
  runtime: { path: string; name: string } | null;
  autoRemove: boolean;
  /** With it, its image as well, unless somebody has use for that. */
  removesImage?: boolean;
  /** Signal number, or null for the image's StopSignal or SIGTERM. */
  stopSignal: number | null;
  stopTimeoutMs: number;
  /** Absent: the defaults of all of it. */
  security?: SecurityOptions;
  /** Absent: nothing is limited. */
  limits?: LimitOptions;
  /** Absent: namespaces of its own, the caller being root in them. */
  namespaces?: NamespaceOptions;
  /** Absent: nothing beyond what every container has. */
  setup?: SetupOptions;
  /** Absent: the defaults of all of it. */
  details?: DetailOptions;
  /** Absent: it ends when it ends. */
  life?: LifeOptions;
  /** Absent: nothing beyond what `network` says. */
  networking?: NetworkOptions;
}
