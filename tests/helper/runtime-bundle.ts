/** A config.json as src/spec would write it, small enough to be read; a test changes what it is about. */
import type { Mapping } from "../../src/host/index.ts";

export interface BundleOptions {
  mapping?: Mapping;
  terminal?: boolean;
  readonly?: boolean;
  cwd?: string;
  env?: string[];
  capabilities?: string[];
  noNewPrivileges?: boolean;
  /** More of `process`, `linux` and mounts, as OCI spells it. */
  process?: Record<string, unknown>;
  linux?: Record<string, unknown>;
  mounts?: Mount[];
  namespaces?: { type: string; path?: string }[];
}

export interface Mount {
  destination: string;
  type?: string;
  source?: string;
  options?: string[];
}

const fewCapabilities = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "SETGID", "SETUID", "SETPCAP"];
export const defaultCapabilities = fewCapabilities.map((name) => `CAP_${name}`);

const quiet = ["nosuid", "noexec", "nodev"];

export const defaultMounts: Mount[] = [
  { destination: "/proc", type: "proc", source: "proc", options: quiet },
  {
    ...{ destination: "/dev", type: "tmpfs", source: "tmpfs" },
    options: ["nosuid", "strictatime", "mode=755", "size=65536k"],
  },
  {
    ...{ destination: "/dev/pts", type: "devpts", source: "devpts" },
    options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
  },
  {
    ...{ destination: "/dev/shm", type: "tmpfs", source: "shm" },
    options: [...quiet, "mode=1777", "size=65536k"],
  },
  { destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: quiet },
  { destination: "/sys", type: "sysfs", source: "sysfs", options: [...quiet, "ro"] },
  { destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: [...quiet, "ro"] },
];

export const allNamespaces = ["user", "pid", "mount", "uts", "ipc", "network", "cgroup"];

export function bundleConfig(args: string[], rootPath: string, options: BundleOptions): object {
  const capabilities = options.capabilities ?? defaultCapabilities;
  return {
    ociVersion: "1.2.0",
    process: {
      ...{ terminal: options.terminal ?? false, user: { uid: 0, gid: 0 }, args },
      ...{ env: options.env ?? ["PATH=/bin"], cwd: options.cwd ?? "/" },
      capabilities: {
        bounding: capabilities,
        effective: capabilities,
        permitted: capabilities,
      },
      noNewPrivileges: options.noNewPrivileges ?? false,
      ...options.process,
    },
    root: { path: rootPath, readonly: options.readonly ?? false },
    hostname: "box",
    mounts: [...defaultMounts, ...(options.mounts ?? [])],
    linux: {
      uidMappings: options.mapping?.uid,
      gidMappings: options.mapping?.gid,
      namespaces: options.namespaces ?? allNamespaces.map((type) => ({ type })),
      maskedPaths: ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/acpi", "/sys/firmware"],
      readonlyPaths: ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
      ...options.linux,
    },
  };
}
