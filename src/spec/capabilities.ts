/** Linux capability sets of a container (capabilities(7)). Pure. */
import type { Capabilities } from "../oci/runtime-spec.ts";

/** What container root keeps unless told otherwise: Podman's default set. */
export const defaultCapabilities: readonly string[] = [
  "CAP_CHOWN",
  "CAP_DAC_OVERRIDE",
  "CAP_FOWNER",
  "CAP_FSETID",
  "CAP_KILL",
  "CAP_NET_BIND_SERVICE",
  "CAP_SETFCAP",
  "CAP_SETGID",
  "CAP_SETPCAP",
  "CAP_SETUID",
  "CAP_SYS_CHROOT",
];

/** Every capability of Linux 5.9 and later, by number (linux/capability.h). */
export const allCapabilities: readonly string[] = `
  CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE
  NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO
  SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG
  MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM
  BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE
`
  .trim()
  .split(/\s+/)
  .map((name) => `CAP_${name}`);

/** Stands for all of them in `capAdd` and `capDrop`. */
export const everyCapability = "ALL";

export interface AskedCapabilities {
  /** "CAP_X", or `everyCapability`. None of them is dropped too. */
  capAdd: readonly string[];
  capDrop: readonly string[];
  /** Begins with all there are. */
  isPrivileged: boolean;
}

/** The bounding set: the default, less what is dropped, and what is added. */
export function boundingCapabilities({
  capAdd,
  capDrop,
  isPrivileged,
}: AskedCapabilities): string[] {
  if (capDrop.includes(everyCapability)) return [...capAdd];
  const takesAll = isPrivileged || capAdd.includes(everyCapability);
  const base = takesAll ? allCapabilities : [...defaultCapabilities, ...capAdd];
  return [...new Set(base)].filter((name) => !capDrop.includes(name));
}

/**
 * The five sets. Container root has all of them in effect. A process of another user has only what was added by name
 * (ambient, as Podman has it); for the rest the bounding set tells what a set-user-ID program may get. More than that would
 * be gone with execve, but for what a file with capabilities may keep of it, whatever no-new-privileges says.
 */
export function capabilitySets(
  bounding: readonly string[],
  user: { isRoot: boolean; capAdd: readonly string[] },
): Capabilities {
  const list = [...bounding];
  if (user.isRoot) {
    return { bounding: list, effective: list, permitted: list, inheritable: [], ambient: [] };
  }
  const added = user.capAdd.includes(everyCapability) ? list : [...user.capAdd];
  return {
    ...{ bounding: list, effective: added, permitted: added },
    ...{ inheritable: added, ambient: added },
  };
}

/** Whether "name|uid[:group|gid]" is root; a name that an image gives to uid 0 is taken for somebody else. */
export function isRootUser(user: string): boolean {
  return /^(root|0+)?(:|$)/.test(user);
}
