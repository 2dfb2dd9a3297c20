/** What a container's monitor is told of the networks that somebody has created and it is on, and its lines of /etc/hosts. Pure. */
import type { NetworkEntry } from "../helper/contract.ts";
import { defaultDetails, noNetworkOptions } from "./defaults.ts";
import { isPrivate, networkUses } from "./namespaces.ts";
import { egressConfig, hostNames, missingNetwork, privateNetwork } from "./network.ts";
import type { CreateOptions } from "./options.ts";
import type { SpecHost, SpecPlace } from "./place.ts";

/** One network that it is on, with what has been chosen for it there. */
export interface PlacedNetwork {
  /** 64 hex characters. */
  id: string;
  name: string;
  /** Where its process is met. */
  socket: string;
  interface: string;
  mac: string;
  /** "10.89.0.2/24" */
  address4: string;
  gateway4: string;
  address6: string | null;
  gateway6: string | null;
  /** No way out. */
  isInternal: boolean;
  /** Names of members are answered. */
  hasNames: boolean;
  hasDefaultRoute: boolean;
  servers: readonly string[];
  mtu: number | null;
  aliases: readonly string[];
}

type Asked = Pick<CreateOptions, "network" | "networking" | "details" | "hostname" | "runtime">;
type Place = Pick<SpecPlace, "id" | "name" | "containerDir" | "networks">;

/**
 * The one with the way out, the published ports and the name server first. Undefined: there is nothing to be made. Errors:
 * network.unavailable (it cannot be made, and ports depend on it).
 */
export function networkEntries(
  options: Asked,
  host: Pick<SpecHost, "network">,
  place: Place,
): NetworkEntry[] | undefined {
  if (networkUses(options.network) === null || missingNetwork(host) !== null) {
    return undefined;
  }
  const { networks = [] } = place;
  const isWayOut = ({ isInternal, hasDefaultRoute }: PlacedNetwork): boolean =>
    !isInternal && hasDefaultRoute;
  const first = networks.find(isWayOut) ?? networks.find((one) => !one.isInternal) ?? networks[0];
  if (first === undefined) return [];
  const sorted = [first, ...networks.filter((one) => one !== first)];
  return sorted.map((network) => entryOf(options, host, place, network, network === first));
}

function entryOf(
  options: Asked,
  host: Pick<SpecHost, "network">,
  place: Place,
  network: PlacedNetwork,
  isFirst: boolean,
): NetworkEntry {
  const asked = options.networking ?? noNetworkOptions;
  const isWayOut = isFirst && !network.isInternal && !isPrivate(options.network);
  const { resolver } = options.details ?? defaultDetails;
  const servers = resolver === "image" ? [] : resolver.servers;
  const { hasIpv6 } = host.network();
  const gateway6 = hasIpv6 ? network.gateway6 : null;
  const isOpen = !network.isInternal;
  return {
    id: network.id,
    network: network.name,
    socket: network.socket,
    interface: network.interface,
    mac: network.mac,
    mtu: asked.mtu ?? network.mtu ?? privateNetwork.mtu,
    address4: network.address4,
    gateway4: network.gateway4,
    dns4: network.gateway4,
    address6: hasIpv6 ? network.address6 : null,
    gateway6,
    dns6: gateway6,
    internal: network.isInternal,
    isDefaultRoute: isWayOut && network.hasDefaultRoute,
    member: place.id,
    names: network.hasNames ? namesOf(options, place, network) : [],
    hostLoopback: isOpen && asked.reachesHostLoopback,
    resolv: "/etc/resolv.conf",
    servers: servers.length > 0 ? servers : [...network.servers],
    hosts: isOpen ? hostNames.map((name) => ({ name, address: network.gateway4 })) : [],
    ports: isWayOut ? asked.ports.map(({ choices: _, ...port }) => port) : [],
    egress: isOpen ? egressConfig(asked.egress, place, network.gateway4) : null,
  };
}

const idLength = 12;

/** docker's: its name, its aliases, the beginning of its id, its host name. */
function namesOf({ hostname }: Asked, { id, name }: Place, { aliases }: PlacedNetwork): string[] {
  const all = [name, ...aliases, id.slice(0, idLength), ...(hostname === null ? [] : [hostname])];
  return [...new Set(all)].filter((one) => one.length <= nameBytesMax);
}

const nameBytesMax = 253; // RFC 1035

/** What stands in /etc/hosts for the container itself, a line an address, and for the host. */
export function networkHosts(
  entries: readonly NetworkEntry[],
  { hostname, name }: { hostname: string; name: string },
): { own: string[]; outside: string[] } {
  if (entries.length === 0) return { own: [`127.0.0.1\t${hostname} ${name}`], outside: [] };
  const own = entries.flatMap(({ address4, address6, names }) => {
    const all = [...new Set([hostname, name, ...names])].join(" ");
    const addresses = [address4, ...(address6 === null ? [] : [address6])];
    return addresses.map((address) => `${bare(address)}\t${all}`);
  });
  const out = entries.find(({ internal }) => !internal);
  return { own, outside: out === undefined ? [] : [`${out.gateway4}\t${hostNames.join(" ")}`] };
}

const bare = (address: string): string => address.slice(0, address.indexOf("/"));
