/** What a container's specification is built from besides options, and what comes of it. Types only. */
import type { ExecConfig, HelperConfig, IdMapping, NetworkTool } from "../helper/contract.ts";
import type { ImageConfig } from "../oci/image-config.ts";
import type { RuntimeSpec } from "../oci/runtime-spec.ts";
import type { PlacedNetwork } from "./networks.ts";
import type { DeviceNumber } from "./setup.ts";

/** The part of an image config that a container is made from. */
export type ImageSettings = Pick<
  ImageConfig,
  "env" | "entrypoint" | "cmd" | "user" | "workingDir" | "stopSignal" | "labels" | "healthcheck"
>;

/** What this host is and has, as far as a container's configuration depends on it. */
export interface SpecHost {
  architecture: string;
  mapping: {
    uid: IdMapping[];
    gid: IdMapping[];
    tools: { newuidmap: string; newgidmap: string } | null;
  };
  /** Texts of the host's own files, "" when it has none. */
  etcHosts: string;
  resolvConf: string;
  /** What a network of its own can be made with. */
  network: () => HostNetwork;
  hostname: string;
  kernelRelease: () => string;
  /** Who makes cgroups here. */
  cgroupManager: () => HelperConfig["cgroup"]["manager"];
  /** What the kernel knows the device at a path by; null: there is none. */
  deviceNumber: (path: string) => DeviceNumber | null;
}

export interface HostNetwork {
  /** /dev/net/tun is there for the caller. */
  hasTun: boolean;
  hasIpv6: boolean;
}

export interface SpecPlace {
  id: string;
  name: string;
  containerDir: string;
  runtimeDir: string;
  trashDir: string;
  atRestDir: string;
  seccompCache: string;
  /** Where what happens is written down. */
  events: string;
  /** Unpacked layers, topmost first, absolute. */
  layers: string[];
  /** Where files of theirs that only say where their content is have it, topmost first. */
  data?: string[];
  rootfs: "overlay" | "copy" | { fuseOverlayfs: string };
  /** What is written to the root of a directory cannot be kept beside it. */
  isInMemory?: boolean;
  /** Directory of each named volume that is mounted. */
  volumeDirectory: (name: string) => string;
  /** The image's own /etc/hosts, where it is to be kept. */
  imageHosts?: string;
  /** Where the secrets will be. */
  secretsDir?: string;
  /** Who runs where neither the image nor the caller names somebody; absent: root. */
  user?: string;
  /** Texts over the image's own files in /etc, by name. */
  files?: Record<string, string>;
  /** The program of the host's that makes its network. */
  networkTool?: NetworkTool;
  /** Those that somebody has created and it is on, in the order of its interfaces. */
  networks?: readonly PlacedNetwork[];
  /** The container whose namespaces are joined. */
  joined?: JoinedContainer;
}

export interface JoinedContainer {
  /** Its first process; 0: it does not run, which matters only when this one is started. */
  pid: number;
  hostname: string;
  /** Its own files in /etc, by name -> path on the host. */
  files: Record<string, string>;
}

/** `helper.json` without what is decided at start, and no wider than what is written here. */
export type HelperSettings = Omit<HelperConfig, "attach" | "user" | "rootfs"> & {
  user: string;
  rootfs: HelperConfig["rootfs"];
};

export interface BuiltSpec {
  config: RuntimeSpec;
  helper: HelperSettings;
  /** File name in the container directory -> text. */
  files: Record<string, string>;
  /** health-exec.json, where there is somebody to ask. */
  health?: ExecConfig;
  /** startup-exec.json, which is asked first. */
  startup?: ExecConfig;
}
