/**
 * Podman's `info` has one name for each thing in JSON and another in Go, and templates know the second: `host.ociRuntime` is
 * `.Host.OCIRuntime`. Pure.
 */

/** Where it is not the JSON's with a capital (libpod/define/info.go). */
const irregular: Readonly<Record<string, string>> = {
  ...{ cpus: "CPUs", os: "OS", cgroupVersion: "CgroupsVersion", ociRuntime: "OCIRuntime" },
  ...{ idMappings: "IDMappings", uidmap: "UIDMap", gidmap: "GIDMap" },
  ...{ container_id: "ContainerID", host_id: "HostID", capabilities: "DefaultCapabilities" },
  ...{ apparmorEnabled: "AppArmorEnabled", seccompEnabled: "SECCOMPEnabled" },
  selinuxEnabled: "SELinuxEnabled",
};

export function withGoNames(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withGoNames);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [goName(name), withGoNames(item)]),
  );
}

function goName(name: string): string {
  return irregular[name] ?? name.charAt(0).toUpperCase() + name.slice(1);
}
