/**
 * Podman's `info` has one name for each thing in JSON and another in Go, and templates know the second: `host.ociRuntime` is
 * `.Host.OCIRuntime`. Pure.
 */

/** Where it is not the JSON's with a capital (libpod/define/info.go). */
const irregular: Readonly<Record<string, string>> = {
  ...{
    cpus: "CPUs",
    cpuUtilization: "CPUUtilization",
    os: "OS",
    cgroupVersion: "CgroupsVersion",
    ociRuntime: "OCIRuntime",
  },
  ...{ idMappings: "IDMappings", uidmap: "UIDMap", gidmap: "GIDMap" },
  ...{ container_id: "ContainerID", host_id: "HostID", capabilities: "DefaultCapabilities" },
  ...{ apparmorEnabled: "AppArmorEnabled", seccompEnabled: "SECCOMPEnabled" },
  selinuxEnabled: "SELinuxEnabled",
};

/** `value` by Go's names, beside `rest`, which has such. As JSON, also a part of it, it has the JSON's. */
export function withGoNames(value: object, rest: object = {}): object {
  const named = Object.entries(value).map(([name, item]) => [goName(name), nameInside(item)]);
  const all: object = { ...rest, ...Object.fromEntries(named) };
  return Object.defineProperty(all, "toJSON", { value: () => ({ ...rest, ...value }) });
}

function nameInside(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(nameInside);
  return typeof value === "object" && value !== null ? withGoNames(value) : value;
}

function goName(name: string): string {
  return irregular[name] ?? name.charAt(0).toUpperCase() + name.slice(1);
}
