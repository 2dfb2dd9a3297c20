/** What --privileged, --cap-add, --cap-drop and --security-opt make of config.json. Pure. */
import type { Capabilities, Linux, Mount, Process, Seccomp } from "../oci/runtime-spec.ts";
import { boundingCapabilities, capabilitySets, isRootUser } from "./capabilities.ts";
import { maskedPaths, readonlyPaths } from "./mounts.ts";
import type { SeccompChoice, SecurityOptions } from "./options.ts";
import { defaultSeccomp } from "./seccomp.ts";
import { seccompFromProfile } from "./seccomp-profile.ts";

/** Of the first process, and of one that exec starts: `user` is who it runs as. */
export function processCapabilities(security: SecurityOptions, user: string): Capabilities {
  return capabilitySets(boundingCapabilities(security), {
    isRoot: isRootUser(user),
    capAdd: security.capAdd,
  });
}

export interface SecurityHost {
  architecture: string;
  /** "6.1.0-18-amd64"; read only for a profile of the user's. */
  kernelRelease: () => string;
}

/** The parts of config.json that say what a container may do, but for its mounts. */
export function confinement(
  security: SecurityOptions,
  user: string,
  host: SecurityHost,
): { process: Partial<Process>; linux: Partial<Linux> } {
  const seccomp = seccompOf(security, host);
  const labels = selinuxLabels(security.labels);
  const { apparmor } = security;
  return {
    process: {
      capabilities: processCapabilities(security, user),
      ...(security.noNewPrivileges ? { noNewPrivileges: true } : {}),
      ...(apparmor === null || apparmor === "unconfined" ? {} : { apparmorProfile: apparmor }),
      ...(labels === null ? {} : { selinuxLabel: labels.process }),
    },
    linux: {
      ...(seccomp === null ? {} : { seccomp }),
      ...paths(security),
      ...(labels === null ? {} : { mountLabel: labels.mount }),
    },
  };
}

function seccompOf(security: SecurityOptions, host: SecurityHost): Seccomp | null {
  const usual: SeccompChoice = { kind: security.isPrivileged ? "unconfined" : "default" };
  const choice = security.seccomp ?? usual;
  if (choice.kind === "unconfined") return null;
  const capabilities = boundingCapabilities(security);
  const { architecture } = host;
  if (choice.kind === "default") return defaultSeccomp(capabilities, architecture);
  return seccompFromProfile(choice, { capabilities, architecture, kernel: host.kernelRelease() });
}

function paths({
  isPrivileged,
  mask,
  unmask,
}: SecurityOptions): Pick<Linux, "maskedPaths" | "readonlyPaths"> {
  const isOpen = isPrivileged || unmask.includes("ALL");
  const shown = unmask.map((pattern) => new Bun.Glob(pattern));
  const remains = (path: string): boolean => !isOpen && !shown.some((glob) => glob.match(path));
  return {
    maskedPaths: [...maskedPaths.filter(remains), ...mask],
    readonlyPaths: readonlyPaths.filter(remains),
  };
}

/** --privileged leaves /sys and the cgroups writable, as far as the kernel lets a user namespace write there. */
export function securedMounts(security: SecurityOptions, mounts: Mount[]): Mount[] {
  if (!security.isPrivileged && security.procOptions.length === 0) return mounts;
  return mounts.map((mount) => {
    const { destination, options = [] } = mount;
    if (destination === "/proc") {
      return { ...mount, options: [...options, ...security.procOptions] };
    }
    const opens = security.isPrivileged && destination.startsWith("/sys");
    return opens
      ? { ...mount, options: options.filter((option) => !/^r?ro$/.test(option)) }
      : mount;
  });
}

/** The policy's names for containers (container-selinux): used where the user asked for some label. */
const selinuxDefaults = { user: "system_u", role: "system_r", type: "container_t", level: "s0" };
const selinuxFileType = "container_file_t";

/** Null: none was asked for, or "disable". */
function selinuxLabels(labels: readonly string[]): { process: string; mount: string } | null {
  if (labels.length === 0 || labels.includes("disable")) return null;
  const asked = Object.fromEntries(
    labels.map((label): [string, string] => {
      const colon = label.indexOf(":");
      return [label.slice(0, colon), label.slice(colon + 1)];
    }),
  );
  const { user, role, type, level } = { ...selinuxDefaults, ...asked };
  return {
    process: `${user}:${role}:${type}:${level}`,
    mount: `${user}:object_r:${asked["filetype"] ?? selinuxFileType}:${level}`,
  };
}
