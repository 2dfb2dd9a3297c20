/** What --device, --group-add, --ulimit, --sysctl, --shm-size and --umask make of config.json. Pure. */
import { TspodError } from "../errors.ts";
import type { HelperConfig, IdMapping } from "../helper/contract.ts";
import type { Linux, Mount, Process } from "../oci/runtime-spec.ts";
import type { CreateOptions, SetupOptions } from "./options.ts";
import { defaultSetup } from "./defaults.ts";
import { defaultNamespaces, isJoined } from "./namespaces.ts";
import type { LimitOptions } from "./resources.ts";

const defaultUmask = 0o022;

export function processUser(
  { groups, umask }: SetupOptions,
  map: readonly IdMapping[],
): Process["user"] {
  const numbers = groups.filter((group) => /^\d+$/.test(group)).map(Number);
  for (const gid of numbers) requireMapped(gid, map);
  return {
    ...{ uid: 0, gid: 0, umask: umask ?? defaultUmask },
    ...(numbers.length > 0 ? { additionalGids: numbers } : {}),
  };
}

function requireMapped(gid: number, map: readonly IdMapping[]): void {
  const isMapped = map.some(
    (line) => gid >= line.containerID && gid < line.containerID + line.size,
  );
  if (isMapped) return;
  throw new TspodError("usage", `Cannot be in the group ${gid}: no id of yours is that inside`, {
    next: "map it with --gidmap, get more ids in /etc/subgid, or use --group-add keep-groups",
  });
}

/** For helper.json and exec.json: names are the container's own /etc/group's to tell. */
export function helperGroups({
  groups,
  keepGroups,
}: SetupOptions): Pick<HelperConfig, "groups" | "keepGroups"> {
  const names = groups.filter((group) => !/^\d+$/.test(group));
  return {
    ...(names.length > 0 ? { groups: names } : {}),
    ...(keepGroups ? { keepGroups } : {}),
  };
}

export function resourceLimits({ ulimits }: SetupOptions): Pick<Process, "rlimits"> {
  if (ulimits.length === 0) return {};
  return {
    rlimits: ulimits.map(({ name, soft, hard }) => ({
      type: `RLIMIT_${name.toUpperCase()}`,
      soft: soft ?? Infinity,
      hard: hard ?? Infinity,
    })),
  };
}

/** A user namespace makes no device nodes: the host's are bound. */
export function deviceMounts({ devices, hostDevices }: SetupOptions): Mount[] {
  const asked = new Set(devices.map(({ destination }) => destination));
  const others = hostDevices
    .filter((path) => !asked.has(path))
    .map((path) => ({ source: path, destination: path }));
  return [...others, ...devices].map(({ source, destination }) => ({
    ...{ destination, type: "bind", source },
    options: ["bind", "rprivate", "nosuid", "noexec"],
  }));
}

/** What the kernel knows a device by. */
export interface DeviceNumber {
  type: "b" | "c";
  major: number;
  minor: number;
}

/** Rules for devices refuse all others: what is passed on by name is allowed as well, as docker has it. */
export function withDevices(
  limits: LimitOptions,
  { devices, hostDevices }: SetupOptions,
  numberOf: (path: string) => DeviceNumber | null,
): LimitOptions {
  if (limits.deviceRules.length === 0) return limits;
  const passedOn = [...hostDevices.map((source) => ({ source, permissions: "rwm" })), ...devices];
  const rules = passedOn.flatMap(({ source, permissions }) => {
    const number = numberOf(source);
    return number === null ? [] : [{ allow: true, ...number, access: permissions }];
  });
  return { ...limits, deviceRules: [...limits.deviceRules, ...rules] };
}

/** crun's word for it: nothing is done to the groups of whoever starts the container. */
export const keepGroupsAnnotation = "run.oci.keep_original_groups";

export function setupAnnotations({ keepGroups }: SetupOptions): Record<string, string> {
  return keepGroups ? { [keepGroupsAnnotation]: "1" } : {};
}

export function withSysctls(
  { sysctls }: SetupOptions,
  usual: Record<string, string>,
): Pick<Linux, "sysctl"> {
  const all = { ...usual, ...sysctls };
  return Object.keys(all).length > 0 ? { sysctl: all } : {};
}

/** Only memory that is the container's own has a size to give. Throws usage. */
export function shmSize({
  setup = defaultSetup,
  namespaces = defaultNamespaces,
}: CreateOptions): number {
  const { shmSizeBytes } = setup;
  if (shmSizeBytes === null) return defaultShmBytes;
  const { ipc } = namespaces;
  if (ipc === "shareable" || ipc === "private") return shmSizeBytes;
  const mode = isJoined(ipc) ? `container:${ipc.container}` : ipc;
  throw new TspodError("usage", `Cannot combine --shm-size with --ipc=${mode}`, {
    next: "it has no /dev/shm of its own: leave one of them away",
  });
}

/** Docker's default. */
const defaultShmBytes = 64 * 1024 * 1024;
