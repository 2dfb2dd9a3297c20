/**
 * The private network: which addresses it has, and what the network process is told. Pure. Every private network has the
 * same addresses, which are nobody else's: slirp4netns's, as podman's habit is.
 */
import { TspodError } from "../errors.ts";
import type { EgressConfig, NetworkConfig } from "../helper/contract.ts";
import { defaultDetails, noNetworkOptions } from "./defaults.ts";
import { isPrivate, networkUses } from "./namespaces.ts";
import type { CreateOptions, EgressOptions, EgressRule } from "./options.ts";
import type { SpecHost, SpecPlace } from "./place.ts";

/** A network that containers of ours are given addresses in. */
export const privateNetwork = {
  interface: "eth0",
  /** What a TAP can carry in one piece. */
  mtu: 65_520,
  v4: { address: "10.0.2.100", prefixLength: 24, gateway: "10.0.2.2", dns: "10.0.2.3" },
  v6: { address: "fd00::100", prefixLength: 64, gateway: "fd00::2", dns: "fd00::3" },
} as const;

export const hostNames = ["host.containers.internal", "host.docker.internal"];

/** Whether the outside is reached through our network process. */
export function hasPrivateNetwork(options: Asked, host: Host): boolean {
  return isPrivate(options.network) && missingNetwork(host) === null;
}

type Asked = Pick<CreateOptions, "network" | "runtime">;
type Host = Pick<SpecHost, "network">;

/** Where a container gets less than it would elsewhere: a sentence, to be said once. Null: it gets all. */
export function loopbackWarning(options: Asked, host: Host): string | null {
  const isOurs = isPrivate(options.network) || networkUses(options.network) !== null;
  const lack = isOurs ? missingNetwork(host) : null;
  if (lack === null) return null;
  return `There is no network but loopback: ${lack.why}; to fix it: ${lack.next}`;
}

/** What is in the way of a network of our making. Null: nothing. */
export function missingNetwork(host: Host): { why: string; next: string } | null {
  if (host.network().hasTun) return null;
  return {
    why: "this host gives no access to /dev/net/tun",
    next: "sudo modprobe tun && sudo chmod 666 /dev/net/tun, or use --network=host",
  };
}

/** Undefined: there is nothing to be made. Errors: network.unavailable (it cannot be made, and ports depend on it). */
export function networkConfig(
  options: CreateOptions,
  host: SpecHost,
  place: SpecPlace,
): NetworkConfig | undefined {
  const asked = options.networking ?? noNetworkOptions;
  const isShared = networkUses(options.network) !== null && !isPrivate(options.network);
  if (!isPrivate(options.network) && !isShared) return undefined;
  const lack = missingNetwork(host);
  if (lack !== null) {
    if (asked.ports.length === 0 && asked.egress === null) return undefined;
    const what = asked.ports.length > 0 ? "publish ports" : "hold to --egress";
    throw new TspodError("network.unavailable", `Cannot ${what}: ${lack.why}`, { next: lack.next });
  }
  if (isShared) return undefined; // networks.ts
  const { v4, v6, ...link } = privateNetwork;
  const { hasIpv6 } = host.network();
  if (asked.address6 !== null && !hasIpv6) throw noIpv6(`--ip6 ${asked.address6}`);
  const { resolver } = options.details ?? defaultDetails;
  return {
    mode: "private",
    interface: link.interface,
    mac: asked.mac ?? macOf(place.id),
    mtu: asked.mtu ?? link.mtu,
    address4: `${asked.address4 ?? v4.address}/${v4.prefixLength}`,
    gateway4: v4.gateway,
    dns4: v4.dns,
    address6: hasIpv6 ? `${asked.address6 ?? v6.address}/${v6.prefixLength}` : null,
    gateway6: hasIpv6 ? v6.gateway : null,
    dns6: hasIpv6 ? v6.dns : null,
    hostLoopback: asked.reachesHostLoopback,
    resolv: "/etc/resolv.conf",
    servers: resolver === "image" ? [] : resolver.servers,
    names: hostNames.map((name) => ({ name, address: v4.gateway })),
    ports: asked.ports.map(({ choices: _, ...port }) => port),
    egress: egressConfig(asked.egress, place, v4.gateway),
    socket: `${place.runtimeDir}/net.sock`,
  };
}

export function noIpv6(what: string): TspodError {
  return new TspodError("network.unavailable", `Cannot use ${what}: this host has no IPv6`, {
    next: "leave it away, or turn IPv6 on: sudo sysctl net.ipv6.conf.all.disable_ipv6=0",
  });
}

/** Locally administered, and always the same for one container. */
function macOf(id: string): string {
  const bytes = Array.from({ length: 5 }, (_, index) => id.slice(2 * index, 2 * index + 2));
  return ["02", ...bytes].join(":");
}

export function egressConfig(
  egress: EgressOptions | null,
  { containerDir }: Pick<SpecPlace, "containerDir">,
  gateway: string,
): EgressConfig | null {
  if (egress === null) return null;
  const allow = egress.allow?.flatMap((rule) => withGateway(rule, gateway)) ?? null;
  return { log: egress.isLogged ? `${containerDir}/egress.log` : null, allow };
}

/** The host's names are answered inside, so nothing is heard of their addresses. */
function withGateway(rule: EgressRule, gateway: string): EgressRule[] {
  if (!("name" in rule) || !hostNames.includes(rule.name)) return [rule];
  return [rule, { cidr: `${gateway}/32`, port: rule.port }];
}

/** What stands in /etc/hosts for the container itself. */
export function ownAddress(options: Pick<CreateOptions, "networking">): string {
  return options.networking?.address4 ?? privateNetwork.v4.address;
}
