/** What somebody asked to be mounted, and the names and secrets he gave, as docker's and podman's scripts expect them. */
import type { RuntimeSpec } from "../oci/runtime-spec.ts";
import { type CreateOptions, defaultDetails, type VolumeMount } from "../spec/index.ts";

type Mount = RuntimeSpec["mounts"][number];

/** In the order of the destinations. */
export function inspectMounts({ mounts }: CreateOptions, config: Pick<RuntimeSpec, "mounts">) {
  const made = new Map(config.mounts.map((mount) => [mount.destination, mount]));
  return mounts
    .toSorted((a, b) => (a.destination < b.destination ? -1 : 1))
    .map((mount) => inspectMount(mount, made.get(mount.destination)));
}

function inspectMount(mount: VolumeMount, made: Mount | undefined) {
  const options = made?.options ?? mount.options;
  const isVolume = mount.kind === "volume";
  const source =
    made?.type === "bind" ? (made.source ?? "") : "source" in mount ? mount.source : "";
  const isMemory = isVolume && mount.memory !== undefined;
  return {
    Type: mount.kind === "overlay" ? "bind" : mount.kind,
    ...(isVolume ? { Name: mount.source, Driver: "local" } : {}),
    Source: isMemory ? "" : source,
    Destination: mount.destination,
    Mode: modeOf(mount),
    RW: !options.some((word) => word === "ro" || word === "rro"),
    Propagation: options.find((option) => /^r?(private|shared|slave)$/.test(option)) ?? "",
    Options: mount.options,
    ...("subpath" in mount && mount.subpath !== undefined ? { SubPath: mount.subpath } : {}),
  };
}

/** As -v has it. */
function modeOf(mount: VolumeMount): string {
  const words = [
    ...mount.options,
    ...("givesAway" in mount ? ["U"] : []),
    ...("isNotSeeded" in mount ? ["nocopy"] : []),
    ...(mount.kind === "overlay" ? ["O"] : []),
  ];
  return words.join(",");
}

/** Parts of HostConfig. */
export function inspectHostMounts({ mounts, volumesFrom, details }: CreateOptions) {
  const { resolver, addedHosts } = details ?? defaultDetails;
  const { servers, searches, options } =
    resolver === "image" ? { servers: ["none"], searches: [], options: [] } : resolver;
  const binds = mounts.filter(
    ({ kind }) => kind === "bind" || kind === "volume" || kind === "overlay",
  );
  return {
    Binds: binds.map((mount) => {
      const words = modeOf(mount);
      const source = "source" in mount ? mount.source : "";
      return [source, mount.destination, ...(words === "" ? [] : [words])].join(":");
    }),
    Tmpfs: Object.fromEntries(
      mounts
        .filter(({ kind }) => kind === "tmpfs")
        .map((mount) => [mount.destination, mount.options.join(",")]),
    ),
    VolumesFrom: volumesFrom ?? [],
    ...{ Dns: servers, DnsSearch: searches, DnsOptions: options },
    ExtraHosts: addedHosts.map(({ name, address }) => `${name}:${address}`),
  };
}

/** A part of Config: not what they are. */
export function inspectSecrets({ secrets = [] }: CreateOptions) {
  return {
    Secrets: secrets.map((secret) => ({
      ...{ Name: secret.name, ID: secret.id ?? "", Type: secret.type, Target: secret.target },
      ...(secret.type === "env" ? {} : { UID: secret.uid, GID: secret.gid, Mode: secret.mode }),
    })),
  };
}
