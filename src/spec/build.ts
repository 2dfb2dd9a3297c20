/**
 * (image config, options, host facts) -> config.json, helper.json and the small files bound into the container.
 * Pure: no clock, no disk, no randomness. Source: OCI runtime-spec 1.2 config.md, image-spec conversion.md.
 */
import { TspodError } from "../errors.ts";
import { contractVersion, type IdMapping } from "../helper/contract.ts";
import type { Mount, RuntimeSpec } from "../oci/runtime-spec.ts";
import {
  detailedEnvironment,
  runsSystemd,
  systemdStopSignal,
  timezoneMounts,
  withSystemd,
} from "./details.ts";
import { containerEnvironment } from "./environment.ts";
import { containerFiles, networkFiles } from "./files.ts";
import { defaultDetails, defaultSecurity, defaultSetup, noLimits } from "./defaults.ts";
import {
  healthCommand,
  healthExec,
  lifeSettings,
  logTarget,
  notification,
  startupCommand,
} from "./life.ts";
import { defaultMounts } from "./mounts.ts";
import { defaultNamespaces, isJoined, joinedContainer, namespaceList } from "./namespaces.ts";
import { networkConfig } from "./network.ts";
import { networkEntries } from "./networks.ts";
import type { CreateOptions } from "./options.ts";
import type { BuiltSpec, HelperSettings, ImageSettings, SpecHost, SpecPlace } from "./place.ts";
import { type LimitOptions, linuxResources } from "./resources.ts";
import { confinement, securedMounts } from "./security.ts";
import {
  deviceMounts,
  helperGroups,
  processUser,
  withDevices,
  resourceLimits,
  setupAnnotations,
  shmSize,
  withSysctls,
} from "./setup.ts";
import { requireOwn } from "./sysctls.ts";
import { secretMounts, secretVariables } from "./secrets.ts";
import { parseSignal } from "./signals.ts";
import { mountSubpaths, withUserMounts } from "./user-mounts.ts";

const sigterm = 15;
const idLength = 12;

export function buildSpec(
  image: ImageSettings,
  options: CreateOptions,
  host: SpecHost,
  place: SpecPlace,
): BuiltSpec {
  const hostname = hostnameOf(options, host, place);
  const { imageHosts, name } = place;
  const networks = networkEntries(options, host, place);
  const named = {
    ...{ hostname, name },
    ...(imageHosts === undefined ? {} : { imageHosts }),
    ...(networks === undefined ? {} : { networks }),
  };
  const files = { ...containerFiles(host, named, options), ...place.files };
  const config = runtimeSpec(image, options, host, place, hostname, Object.keys(files));
  const helper = {
    ...helperSettings(image, options, host, place),
    ...(networks === undefined ? {} : { networks }),
  };
  const command = healthCommand(options.life, image.healthcheck);
  const first = startupCommand(options.life?.health ?? null);
  return {
    config,
    helper,
    files,
    ...(command === null ? {} : { health: healthExec(command, config.process, helper) }),
    ...(first === null ? {} : { startup: healthExec(first, config.process, helper) }),
  };
}

/** Its own, or that of whoever it shares the name with: then it is not there to be set. */
function hostnameOf(options: CreateOptions, host: SpecHost, place: SpecPlace): string {
  const { uts } = options.namespaces ?? defaultNamespaces;
  if (uts === "private") {
    if (options.hostname !== null) return options.hostname;
    if (isJoined(options.network)) return place.joined?.hostname ?? "";
    return options.network === "host" ? host.hostname : place.id.slice(0, idLength);
  }
  if (options.hostname === null)
    return isJoined(uts) ? (place.joined?.hostname ?? "") : host.hostname;
  const flag = isJoined(uts) ? `--uts=container:${uts.container}` : `--uts=${uts}`;
  throw new TspodError("usage", `Cannot combine --hostname with ${flag}: the name is not its own`, {
    next: "leave one of them away",
  });
}

/** Who the first process runs as: what was asked, what the image says, what goes with the ids. */
function userOf(image: ImageSettings, options: CreateOptions, place: SpecPlace): string {
  return options.user ?? (image.user === "" ? (place.user ?? "") : image.user);
}

function runtimeSpec(
  image: ImageSettings,
  options: CreateOptions,
  host: SpecHost,
  place: SpecPlace,
  hostname: string,
  fileNames: readonly string[],
): RuntimeSpec {
  const network = networkOwner(options);
  const security = options.security ?? defaultSecurity;
  const namespaces = options.namespaces ?? defaultNamespaces;
  const { setup = defaultSetup, details = defaultDetails } = options;
  const notified = notification(options, place);
  requireOwn(options);
  const confined = confinement(security, userOf(image, options, place), host);
  const { limits = noLimits } = options;
  const args = commandLine(image, options);
  if (details.domainname !== null) requireOwnName(options);
  const resources = linuxResources(withDevices(limits, setup, host.deviceNumber));
  const ourMounts = (): Mount[] => [
    ...securedMounts(
      security,
      defaultMounts({
        ...{
          ownNetwork: network !== "stranger",
          ipc: namespaces.ipc,
          joinedPid: place.joined?.pid ?? 0,
        },
        shmSizeBytes: shmSize(options),
        hasTtyGroup: isMapped(host.mapping.gid, ttyGroup),
      }),
    ),
    ...deviceMounts(setup),
    ...(options.isReadOnly && details.hasReadOnlyTmpfs ? readOnlyTmpfs() : []),
    ...(options.rootfs?.directory === "/" ? [hostRun] : []),
    ...timezoneMounts(details),
    ...notified.mounts,
    ...fileNames.map((name) => fileMount(name, `${place.containerDir}/${name}`)),
    ...joinedFiles(options, place),
  ];
  return {
    // the oldest that has what we use: Debian 12's crun knows no newer one
    ociVersion: details.domainname === null ? "1.0.2" : "1.1.0",
    process: {
      terminal: options.tty,
      user: processUser(setup, host.mapping.gid),
      args,
      env: environmentOf(image, options, hostname, notified.environment),
      cwd: workdir(image, options),
      ...confined.process,
      ...resourceLimits(setup),
      ...(limits.oomScoreAdj === null ? {} : { oomScoreAdj: limits.oomScoreAdj }),
    },
    root: { path: rootPath(options, place), readonly: options.isReadOnly },
    ...(namespaces.uts === "private" ? { hostname } : {}),
    ...(details.domainname === null ? {} : { domainname: details.domainname }),
    mounts: [
      ...withUserMounts(
        runsSystemd(details, args) ? withSystemd(details, ourMounts()) : ourMounts(),
        options.mounts,
        place,
      ),
      ...secretMounts(options.secrets ?? [], place.secretsDir ?? ""),
    ],
    annotations: {
      ...image.labels,
      ...options.labels,
      ...setupAnnotations(setup),
      ...details.annotations,
    },
    linux: {
      namespaces: namespaceList(options, place.joined?.pid ?? 0),
      // with a user namespace that exists its map exists too
      ...(joinedContainer(options) === null
        ? { uidMappings: host.mapping.uid, gidMappings: host.mapping.gid }
        : {}),
      // unprivileged ping, and ports below 1024 for users other than root: both stop at this network namespace
      ...withSysctls(
        setup,
        network === "container"
          ? { "net.ipv4.ping_group_range": pingGroups(host.mapping.gid) }
          : {},
      ),
      ...confined.linux,
      ...(details.personality === null ? {} : { personality: { domain: details.personality } }),
      ...(resources === undefined ? {} : { resources }),
    },
  };
}

/** Whose the network namespace is: this container's, that of one whose user namespace it is in too, or neither. */
function networkOwner({ network }: CreateOptions): "container" | "other" | "stranger" {
  if (isJoined(network)) return "other";
  const isOutside = network === "host" || (typeof network === "object" && "path" in network);
  return isOutside ? "stranger" : "container";
}

/** Names are the network's: who shares that shares them. */
function joinedFiles({ network }: CreateOptions, { joined }: SpecPlace): Mount[] {
  if (!isJoined(network)) return [];
  return networkFiles.flatMap((name) => {
    const source = joined?.files[name];
    return source === undefined ? [] : [fileMount(name, source)];
  });
}

function environmentOf(
  image: ImageSettings,
  { environment, tty, details }: CreateOptions,
  hostname: string,
  ours: readonly string[],
): string[] {
  const asked = [...environment, ...ours];
  const usual = { image: image.env, hostname, tty };
  if (details === undefined) return containerEnvironment({ ...usual, asked });
  return detailedEnvironment(details, containerEnvironment({ ...usual, asked: [] }), asked);
}

function requireOwnName({ namespaces = defaultNamespaces }: CreateOptions): void {
  if (namespaces.uts === "private") return;
  throw new TspodError("usage", "Cannot combine --domainname with --uts: the name is not its own", {
    next: "leave one of them away",
  });
}

const ttyGroup = 5;

function isMapped(map: readonly IdMapping[], id: number): boolean {
  return map.some((line) => id >= line.containerID && id < line.containerID + line.size);
}

/**
 * All groups there are, as the first and the last: both must be mapped, and the kernel compares what they are outside.
 * Where that cannot be said in this order it is the largest range.
 */
function pingGroups(map: readonly IdMapping[]): string {
  const [largest] = map.toSorted((a, b) => b.size - a.size);
  const byHost = map.toSorted((a, b) => a.hostID - b.hostID);
  const range = (from?: IdMapping, to?: IdMapping): [number, number] => [
    from?.containerID ?? 0,
    Math.min((to?.containerID ?? 0) + (to?.size ?? 1) - 1, 0x7fff_ffff),
  ];
  const [first, last] = range(byHost[0], byHost.at(-1));
  return (first <= last ? [first, last] : range(largest, largest)).join(" ");
}

/** image-spec conversion.md: Entrypoint then Cmd; a new entrypoint drops the image's Cmd. */
function commandLine(image: ImageSettings, options: CreateOptions): string[] {
  const entrypoint = options.entrypoint ?? image.entrypoint;
  const inherited = options.entrypoint === null ? image.cmd : [];
  const command = options.command.length > 0 ? options.command : inherited;
  const args = [...entrypoint, ...command];
  if (args.length > 0 && args[0] !== "") return args;
  throw new TspodError("usage", `Cannot run "${options.image}": the image names no command`, {
    next: `say which: tspod run ${options.image} COMMAND`,
  });
}

function workdir(image: ImageSettings, options: CreateOptions): string {
  const asked = options.workdir ?? image.workingDir;
  if (asked === "") return "/";
  if (asked.startsWith("/")) return asked;
  if (options.workdir === null) return `/${asked}`;
  throw new TspodError("usage", `The working directory "${asked}" is not an absolute path`, {
    next: `use -w /${asked}`,
  });
}

/** The host's own is not its root file system's, and /etc/resolv.conf may lead there. */
const hostRun: Mount = {
  destination: "/run",
  type: "tmpfs",
  source: "tmpfs",
  options: ["nosuid", "nodev", "mode=755"],
};

/** `--read-only` keeps the usual scratch directories writable, as Podman's --read-only-tmpfs does. */
function readOnlyTmpfs(): Mount[] {
  return ["/run", "/tmp", "/var/tmp"].map((destination) => ({
    destination,
    type: "tmpfs",
    source: "tmpfs",
    options: ["nosuid", "nodev", destination === "/run" ? "mode=755" : "mode=1777", "tmpcopyup"],
  }));
}

function fileMount(name: string, source: string): Mount {
  return {
    destination: `/etc/${name}`,
    type: "bind",
    source,
    options: ["bind", "rprivate", "nosuid", "nodev"],
  };
}

function helperSettings(
  image: ImageSettings,
  options: CreateOptions,
  host: SpecHost,
  place: SpecPlace,
): HelperSettings {
  const network = networkConfig(options, host, place);
  return {
    contract: contractVersion,
    id: place.id,
    name: place.name,
    runtimeDir: place.runtimeDir,
    containerDir: place.containerDir,
    trashDir: place.trashDir,
    ...(options.autoRemove ? {} : { atRestDir: place.atRestDir }),
    rootfs: rootfs(options, place),
    ...(network === undefined ? {} : { network }),
    ...(place.networkTool === undefined ? {} : { networkTool: place.networkTool }),
    ...(mayJoinOwner(options) ? { joinsNetworkOwner: true as const } : {}),
    idMapTools: host.mapping.tools,
    user: userOf(image, options, place),
    ...helperGroups(options.setup ?? defaultSetup),
    createCwd: true,
    init: options.init,
    ...(options.runtime === null ? {} : { runtime: options.runtime }),
    stdinOpen: options.interactive,
    log: logTarget(options, place),
    autoRemove: options.autoRemove,
    stopSignal: stopSignalOf(image, options),
    stopTimeoutMs: options.stopTimeoutMs,
    seccompCache: place.seccompCache,
    events: place.events,
    imageName: options.image,
    ...lifeSettings(options.life, image.healthcheck),
    cgroup: cgroupSettings(options.limits ?? noLimits, host),
    ...mountSubpaths(options.mounts),
    ...(options.secrets?.some(({ type }) => type === "env") === true
      ? { environmentFile: secretVariables(place.secretsDir ?? "") }
      : {}),
  };
}

/** Not of somebody who has asked for other ids than the usual ones. */
function mayJoinOwner(options: CreateOptions): boolean {
  const { network, namespaces } = options;
  const hasPath = typeof network === "object" && "path" in network;
  return hasPath && joinedContainer(options) === null && (namespaces?.userns ?? null) === null;
}

/** `split` makes the container's group in the caller's own, which systemd then need not know of. */
function cgroupSettings(limits: LimitOptions, host: SpecHost): HelperSettings["cgroup"] {
  if (limits.cgroups === "disabled") return { manager: "none", parent: null };
  if (limits.cgroups === "split") return { manager: "cgroupfs", parent: null, isSplit: true };
  return { manager: host.cgroupManager(), parent: limits.cgroupParent };
}

/** systemd takes another one for a wish to end. */
function stopSignalOf(image: ImageSettings, options: CreateOptions): number {
  if (options.stopSignal !== null) return options.stopSignal;
  const { details = defaultDetails } = options;
  const isSystemd = image.stopSignal === "" && runsSystemd(details, commandLine(image, options));
  return isSystemd ? systemdStopSignal : imageStopSignal(image);
}

function imageStopSignal(image: ImageSettings): number {
  return image.stopSignal === "" ? sigterm : parseSignal(image.stopSignal);
}

function rootfs({ rootfs: root }: CreateOptions, place: SpecPlace): HelperSettings["rootfs"] {
  if (root?.isThrowAway === false) return { kind: "directory" };
  const lower = root === undefined ? place.layers : [root.directory];
  if (place.rootfs === "copy") return { kind: "copy", lower };
  const upper = `${place.containerDir}/upper`;
  const work = `${place.containerDir}/work`;
  const inMemory = place.isInMemory === true ? { inMemory: true } : {};
  const data = place.data === undefined ? {} : { data: place.data };
  if (place.rootfs === "overlay")
    return { kind: "overlay", lower, upper, work, ...data, ...inMemory };
  return { kind: "fuse-overlayfs", program: place.rootfs.fuseOverlayfs, lower, upper, work };
}

function rootPath({ rootfs: root }: CreateOptions, { containerDir }: SpecPlace): string {
  return root?.isThrowAway === false ? root.directory : `${containerDir}/rootfs`;
}
