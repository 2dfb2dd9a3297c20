/** Networks by name, id or prefix, and what there is to know about one. */
import { TspodError } from "../errors.ts";
import { nearest } from "../lib/nearest.ts";
import { readState } from "../store/containers.ts";
import {
  findNetworkRecords,
  listMembers,
  listNetworkRecords,
  listNetworkUsers,
  type MemberRecord,
  type NetworkRecord,
  type SubnetRecord,
} from "../store/networks.ts";
import type { NetworkContext } from "./context.ts";

type Store = Pick<NetworkContext, "database" | "paths">;

/** `words`: what else may have been meant. Errors: network.not_found, network.ambiguous. */
export function getNetwork(
  { database }: Pick<Store, "database">,
  wanted: string,
  words: readonly string[] = [],
): NetworkRecord {
  const [found, other] = findNetworkRecords(database, wanted);
  if (found === undefined) {
    const names = listNetworkRecords(database).map(({ name }) => name);
    const near = nearest(wanted, [...names, ...words]);
    if (privateNames.includes(wanted)) throw noNetwork(wanted);
    throw new TspodError("network.not_found", `Cannot find network "${wanted}"`, {
      next:
        near === undefined
          ? `tspod network ls lists them${wanted === "" ? "" : `, tspod network create ${wanted} makes one`}`
          : `did you mean "${near}"?`,
    });
  }
  if (other === undefined) return found;
  throw new TspodError("network.ambiguous", `"${wanted}" begins more than one network's id`, {
    next: "give more characters of it, or the name",
  });
}

/** What others have a default network called: it is no network that can be come to, or left. */
const privateNames: readonly string[] = ["bridge", "default", "podman"];

function noNetwork(name: string): TspodError {
  return new TspodError("network.not_found", `Cannot find network "${name}"`, {
    next: "a private network is one container's own, and stays with it; tspod network ls lists the others",
  });
}

/** podman's shape, and docker's words beside it. Those who are on it are the ones that run. */
export function inspectNetwork({ database, paths }: Store, network: NetworkRecord) {
  const names = new Map(listNetworkUsers(database, network.id).map(({ id, name }) => [id, name]));
  const members = listMembers(database, network.id).filter(
    ({ containerId }) => readState(paths, containerId).status === "running",
  );
  const subnets = subnetsOf(network);
  const each = <T>(of: (member: MemberRecord, name: string) => T): Record<string, T> =>
    Object.fromEntries(
      members.map((one) => [one.containerId, of(one, names.get(one.containerId) ?? "")]),
    );
  return {
    name: network.name,
    id: network.id,
    driver: "bridge",
    network_interface: network.interfaceName,
    created: network.createdAt,
    subnets: subnets.map(podmanSubnet),
    ipv6_enabled: network.subnet6 !== null,
    internal: network.isInternal,
    dns_enabled: network.hasNames,
    ...(network.servers.length === 0 ? {} : { network_dns_servers: network.servers }),
    labels: network.labels,
    options: network.options,
    ipam_options: { driver: "host-local" },
    containers: each((member, name) => podmanMember(network, member, name)),
    ...describeNetwork(network),
    Containers: each((member, name) => ({
      Name: name,
      EndpointID: member.containerId,
      MacAddress: member.mac,
      IPv4Address: withLength(member.address4, network.subnet4),
      IPv6Address: withLength(member.address6, network.subnet6),
    })),
  };
}

function subnetsOf({ subnet4, subnet6 }: NetworkRecord): SubnetRecord[] {
  return [subnet4, subnet6].filter((one) => one !== null);
}

/** What docker says of it, of which podman's templates know some as well: all but who is on it. */
export function describeNetwork(network: NetworkRecord) {
  const subnets = subnetsOf(network);
  return {
    Name: network.name,
    Id: network.id,
    ID: network.id,
    Created: network.createdAt,
    Scope: "local",
    Driver: "bridge",
    NetworkInterface: network.interfaceName,
    Subnets: subnets.map(goSubnet),
    EnableIPv4: true,
    EnableIPv6: network.subnet6 !== null,
    IPv6Enabled: network.subnet6 !== null,
    DNSEnabled: network.hasNames,
    IPAM: {
      Driver: "default",
      Options: {},
      Config: subnets.map(({ subnet, gateway, range }) => ({
        Subnet: subnet,
        ...(range === null ? {} : { IPRange: range.asked }),
        Gateway: gateway,
      })),
    },
    ...{ Internal: network.isInternal, Attachable: false, Ingress: false },
    ...{ ConfigFrom: { Network: "" }, ConfigOnly: false },
    Options: network.options,
    Labels: network.labels,
  };
}

function podmanSubnet({ subnet, gateway, range }: SubnetRecord) {
  if (range === null) return { subnet, gateway };
  return { subnet, gateway, lease_range: { start_ip: range.first, end_ip: range.last } };
}

const goSubnet = ({ subnet, gateway }: SubnetRecord) => ({ Subnet: subnet, Gateway: gateway });

function podmanMember(network: NetworkRecord, member: MemberRecord, name: string) {
  const subnets = [
    { ipnet: withLength(member.address4, network.subnet4), gateway: network.subnet4.gateway },
    ...(member.address6 === null || network.subnet6 === null
      ? []
      : [
          { ipnet: withLength(member.address6, network.subnet6), gateway: network.subnet6.gateway },
        ]),
  ];
  return { name, interfaces: { [member.interface]: { subnets, mac_address: member.mac } } };
}

/** "10.89.0.2" -> "10.89.0.2/24"; "": there is none. */
export function withLength(address: string | null, subnet: SubnetRecord | null): string {
  if (address === null || subnet === null) return "";
  return `${address}${subnet.subnet.slice(subnet.subnet.indexOf("/"))}`;
}
