/** The values of --network, -p and their kind, and what of them excludes each other. */
import { TspodError } from "../../errors.ts";
import {
  addressOfKind,
  distinctPorts,
  parseAddress4,
  parseAddress6,
  parseEgress,
  parseMac,
  parseNetworkAlias,
  parseNetworkModes,
  parsePublish,
} from "../../network/index.ts";
import {
  type CreateOptions,
  formatNetworkMode,
  isJoined,
  type NamespaceOptions,
  type NetworkMode,
  type NetworkOptions,
  type NetworkUse,
  networkUses,
  noNetworkOptions,
  toolOf,
} from "../../spec/index.ts";
import type { NetworkContext, NetworkFlags } from "./network.ts";

/** Throws usage. */
export function parseNetworkFlags(
  flags: NetworkFlags & NetworkContext,
  namespaces: NamespaceOptions | undefined,
): Pick<CreateOptions, "network" | "networking"> {
  const { network, options } = parseNetworkModes(flags.network);
  const uses = networkUses(network);
  if (uses !== null) return onNetworks(uses, options, flags);
  const networking: NetworkOptions = {
    ...noNetworkOptions,
    ...options,
    ports: distinctPorts(flags.publish.map((text) => parsePublish(text))),
    publishesAll: flags.publishAll,
    ...(flags.ip === null ? {} : { address4: parseAddress4("--ip", flags.ip) }),
    ...(flags.ip6 === null ? {} : { address6: parseAddress6("--ip6", flags.ip6) }),
    ...(flags.macAddress === null ? {} : { mac: parseMac("--mac-address", flags.macAddress) }),
    aliases: [...(options.aliases ?? []), ...flags.networkAlias.map(parseNetworkAlias)],
    egress: parseEgress(flags.egress),
  };
  if (isJoined(network)) refuseStrangers(network.container, flags, namespaces);
  if (network !== "private") refuseForOthers(network, flags);
  const isUsual = JSON.stringify(networking) === JSON.stringify(noNetworkOptions);
  if (isUsual) return { network };
  return { network, networking: withoutPorts(network, networking) };
}

/** Aliases are for all of them; an address is of one. */
function onNetworks(
  uses: readonly NetworkUse[],
  options: Partial<NetworkOptions>,
  flags: NetworkFlags,
): Pick<CreateOptions, "network" | "networking"> {
  const own = [
    ["--ip", flags.ip],
    ["--ip6", flags.ip6],
    ["--mac-address", flags.macAddress],
  ] as const;
  const [flag] = own.find(([, given]) => given !== null) ?? [];
  if (flag !== undefined && uses.length > 1) {
    const option = { "--ip": "ip", "--ip6": "ip6", "--mac-address": "mac" }[flag];
    throw new TspodError("usage", `Cannot combine ${flag} with several networks`, {
      next: `say which one: --network ${uses[0]?.name}:${option}=ADDRESS`,
    });
  }
  const aliases = flags.networkAlias.map(parseNetworkAlias);
  const networks = uses.map((use) => ({
    ...use,
    aliases: [...new Set([...use.aliases, ...aliases])],
    ...(flags.ip === null ? {} : { address4: addressOfKind("--ip", flags.ip) }),
    ...(flags.ip6 === null ? {} : { address6: addressOfKind("--ip6", flags.ip6) }),
    ...(flags.macAddress === null ? {} : { mac: parseMac("--mac-address", flags.macAddress) }),
  }));
  const networking: NetworkOptions = {
    ...noNetworkOptions,
    ...options,
    ports: distinctPorts(flags.publish.map((text) => parsePublish(text))),
    publishesAll: flags.publishAll,
    egress: parseEgress(flags.egress),
  };
  const isUsual = JSON.stringify(networking) === JSON.stringify(noNetworkOptions);
  return { network: { networks }, ...(isUsual ? {} : { networking }) };
}

function together(network: NetworkMode, flag: string, why: string): TspodError {
  const mode = formatNetworkMode(network);
  return new TspodError("usage", `Cannot combine ${flag} with --network=${mode}: ${why}`, {
    next: "leave one of them away",
  });
}

/** What only our own network process can do, and what belongs to whoever has made the network. */
function refuseForOthers(network: NetworkMode, flags: NetworkFlags & NetworkContext): void {
  const given = (
    names: readonly (readonly [string, string | null | readonly string[]])[],
  ): string | undefined => names.find(([, value]) => value !== null && value.length > 0)?.[0];
  const own = given([
    ["--ip", flags.ip],
    ["--ip6", flags.ip6],
    ["--mac-address", flags.macAddress],
    ["--network-alias", flags.networkAlias],
    ["--egress", flags.egress],
  ]);
  if (own !== undefined) throw together(network, own, "only a private network has that of its own");
  if (!isJoined(network)) return;
  const shared = given([
    ["--dns", flags.dns],
    ["--dns-search", flags.dnsSearch],
    ["--dns-option", flags.dnsOption],
    ["--add-host", flags.addHost],
  ]);
  if (shared !== undefined) throw together(network, shared, "names are the other container's");
}

/** A network namespace belongs to a user namespace, and one can be in one only. */
function refuseStrangers(
  container: string,
  { userns }: NetworkContext,
  namespaces: NamespaceOptions | undefined,
): void {
  if (namespaces === undefined) return;
  const { pid, ipc, uts, cgroup } = namespaces;
  const network: NetworkMode = { container };
  const why =
    "the namespaces of a container belong to its user namespace, and one can be in one only";
  for (const [flag, mode] of Object.entries({ pid, ipc, uts, cgroupns: cgroup })) {
    if (!isJoined(mode) || mode.container === container) continue;
    throw together(network, `--${flag}=container:${mode.container}`, why);
  }
  const ids = namespaces.userns;
  if (ids === null || (ids.kind === "container" && ids.container === container)) return;
  throw together(network, userns === null ? "an id map" : `--userns=${userns}`, why);
}

/** As podman: what cannot be published is not, and the user is told. */
function withoutPorts(network: NetworkMode, networking: NetworkOptions): NetworkOptions {
  const { ports, publishesAll } = networking;
  const isTool = toolOf({ network }) !== null;
  if (network === "private" || isTool || (ports.length === 0 && !publishesAll)) return networking;
  const mode = formatNetworkMode(network);
  const why =
    network === "host"
      ? "its ports are the host's own"
      : "ports can be published with private only";
  const warnings = [`No port is published with --network=${mode}: ${why}`];
  return { ...networking, ports: [], publishesAll: false, warnings };
}
