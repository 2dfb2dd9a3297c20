/** The part of `inspect` that is about mounts the user asked for. */
import type { RuntimeSpec } from "../oci/runtime-spec.ts";
import type { CreateOptions } from "../spec/index.ts";

export function inspectMounts({ mounts }: RuntimeSpec, options: CreateOptions) {
  return mounts.filter(isUserMount(options)).map(inspectMount);
}

type Mount = RuntimeSpec["mounts"][number];

function isUserMount(options: CreateOptions): (mount: Mount) => boolean {
  const destinations = new Set(options.mounts.map((mount) => mount.destination));
  return (mount) => destinations.has(mount.destination);
}

function inspectMount(mount: Mount) {
  const options = mount.options ?? [];
  return {
    Type:
      mount.type === "tmpfs" ? "tmpfs" : volumeName(mount.source ?? "") === "" ? "bind" : "volume",
    Driver: volumeName(mount.source ?? "") === "" ? "" : "local",
    Name: volumeName(mount.source ?? ""),
    Source: mount.type === "tmpfs" ? "" : (mount.source ?? ""),
    Destination: mount.destination,
    Mode: options.join(","),
    RW: !options.includes("ro"),
    Propagation: options.find((option) => /^r?(private|shared|slave)$/.test(option)) ?? "",
  };
}

/** Of a named volume's directory. */
function volumeName(source: string): string {
  return /\/volumes\/([^/]+)\/_data$/.exec(source)?.[1] ?? "";
}
