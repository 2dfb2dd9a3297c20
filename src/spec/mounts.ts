/** The mounts every container gets, and which of /proc and /sys is hidden. Pure. */
import type { Mount } from "../oci/runtime-spec.ts";
import { isJoined } from "./namespaces.ts";
import type { NamespaceOptions } from "./options.ts";

export function defaultMounts(options: {
  ownNetwork: boolean;
  hasTtyGroup: boolean;
  ipc: NamespaceOptions["ipc"];
  /** Of the container whose shared memory is shared. */
  joinedPid: number;
  /** Of /dev/shm; 0 is no limit. */
  shmSizeBytes: number;
}): Mount[] {
  // Debian's and Alpine's group "tty"; the kernel refuses a group that is not mapped
  const ttyGroup = options.hasTtyGroup ? ["gid=5"] : [];
  return [
    { destination: "/proc", type: "proc", source: "proc", options: ["nosuid", "noexec", "nodev"] },
    {
      destination: "/dev",
      type: "tmpfs",
      source: "tmpfs",
      options: ["nosuid", "strictatime", "mode=755", "size=65536k"],
    },
    {
      destination: "/dev/pts",
      type: "devpts",
      source: "devpts",
      options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", ...ttyGroup],
    },
    sysMount(options.ownNetwork),
    {
      destination: "/sys/fs/cgroup",
      type: "cgroup",
      source: "cgroup",
      options: ["nosuid", "noexec", "nodev", "relatime", "ro"],
    },
    {
      destination: "/dev/mqueue",
      type: "mqueue",
      source: "mqueue",
      options: ["nosuid", "noexec", "nodev"],
    },
    ...sharedMemory(options),
  ];
}

/** /dev/shm goes with the IPC namespace. */
function sharedMemory({
  ipc,
  joinedPid,
  shmSizeBytes,
}: Parameters<typeof defaultMounts>[0]): Mount[] {
  if (ipc === "none") return [];
  const destination = "/dev/shm";
  const options = ["nosuid", "noexec", "nodev"];
  if (ipc === "host" || isJoined(ipc)) {
    const source = ipc === "host" ? destination : sharedMemoryOf(joinedPid);
    return [{ destination, type: "bind", source, options: ["bind", "rprivate", ...options] }];
  }
  const own = ["mode=1777", `size=${shmSizeBytes}`];
  return [{ destination, type: "tmpfs", source: "shm", options: [...options, ...own] }];
}

/** Another container's /dev/shm, by one of its processes. */
export function sharedMemoryOf(pid: number): string {
  return `/proc/${pid}/root/dev/shm`;
}

/**
 * A new sysfs shows the network namespace one owns; without one the kernel refuses it, and the host's is bound, with what
 * the host has mounted in it: some of that belongs to the caller, who container root is (its FUSE connections).
 */
function sysMount(ownNetwork: boolean): Mount {
  const options = ["nosuid", "noexec", "nodev", "ro"];
  return ownNetwork
    ? { destination: "/sys", type: "sysfs", source: "sysfs", options }
    : { destination: "/sys", type: "bind", source: "/sys", options: ["rbind", ...options, "rro"] };
}

/** Files that tell about, or reach, the host: covered by /dev/null or an empty directory. */
export const maskedPaths = [
  "/proc/acpi",
  "/proc/asound",
  "/proc/interrupts",
  "/proc/kcore",
  "/proc/keys",
  "/proc/latency_stats",
  "/proc/sched_debug",
  "/proc/scsi",
  "/proc/timer_list",
  "/proc/timer_stats",
  "/sys/devices/virtual/powercap",
  "/sys/firmware",
];

export const readonlyPaths = [
  "/proc/bus",
  "/proc/fs",
  "/proc/irq",
  "/proc/sys",
  "/proc/sysrq-trigger",
];
