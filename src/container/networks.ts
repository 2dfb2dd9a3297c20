/**
 * The networks that somebody has created and a container is on: found when it is made, chosen for in the transaction that
 * makes it, and read back from their rows, which are the truth of what helper.json says of them.
 */
import type { NetworkEntry } from "../helper/index.ts";
import { TspodError } from "../errors.ts";
import { chooseMember, getNetwork, type Membership, withLength } from "../network/records.ts";
import { networkModes } from "../network/index.ts";
import {
  type CreateOptions,
  type HelperSettings,
  networkEntries,
  networkUses,
  noNetworkOptions,
  type PlacedNetwork,
} from "../spec/index.ts";
import { containerDirectory, type ContainerRecord } from "../store/containers.ts";
import { insertMember, listMemberships, networkDirectory } from "../store/networks.ts";
import type { ContainerContext } from "./context.ts";
import { readContainerFile, writeContainerFile } from "./files.ts";
import { rewriteNames } from "./names-files.ts";

/** With their whole names. Errors: network.not_found, network.ambiguous, usage (one twice). */
export function requireNetworks(
  { database }: Pick<ContainerContext, "database">,
  options: CreateOptions,
): CreateOptions {
  const uses = networkUses(options.network) ?? [];
  requireRoom(uses.length);
  const found = uses.map(({ name }) => getNetwork({ database }, name, networkModes));
  const twice = found.find(({ id }, index) => found.findIndex((one) => one.id === id) < index);
  if (twice !== undefined) {
    throw new TspodError("usage", `Network "${twice.name}" is given twice`, {
      next: "give it once, with all that is to be said",
    });
  }
  const networks = uses.map((use, index) => ({ ...use, name: found[index]?.name ?? use.name }));
  const isOpen = found.some(({ isInternal }) => !isInternal);
  return {
    ...options,
    network: { networks },
    ...(isOpen ? {} : { networking: withoutPorts(options, networks[0]?.name ?? "") }),
  };
}

/** What a monitor has room for. */
const networksMax = 16;

/** Throws usage. */
export function requireRoom(count: number): void {
  if (count <= networksMax) return;
  throw new TspodError("usage", `A container can be on ${networksMax} networks, not on ${count}`, {
    next: "leave some of them away",
  });
}

/** As with every mode that cannot publish: it is not done, and the user is told. */
function withoutPorts({ networking = noNetworkOptions }: CreateOptions, name: string) {
  const { ports, publishesAll } = networking;
  if (ports.length === 0 && !publishesAll) return networking;
  const warning = `No port is published: network "${name}" is internal`;
  return {
    ...networking,
    ...{ ports: [], publishesAll: false, warnings: [...networking.warnings, warning] },
  };
}

export interface NetworkPlan {
  placed: PlacedNetwork[];
  /** Inside the transaction that has inserted the container. `rebuild`: somebody was faster, and it is to be on these. */
  insert(rebuild: (placed: PlacedNetwork[]) => void): void;
}

/** What it would be now. Errors: network.*, usage. */
export function planNetworks(
  context: ContainerContext,
  id: string,
  options: CreateOptions,
): NetworkPlan {
  const choose = (): Membership[] => {
    const uses = networkUses(options.network) ?? [];
    const asked = uses.flatMap((use) => use.interface ?? []);
    const interfaces: string[] = [];
    return uses.map((use) => {
      const network = getNetwork(context, use.name);
      // what is numbered keeps out of the way of what has been called by name
      const reserved = use.interface === null ? asked : [];
      const known = { containerId: id, interfaces: [...interfaces, ...reserved] };
      const member = chooseMember(context.database, network, use, known);
      interfaces.push(member.interface);
      return { network, member };
    });
  };
  const first = choose();
  const placeAll = (all: readonly Membership[]) => all.map((one) => placed(context, one));
  return {
    placed: placeAll(first),
    insert: (rebuild) => {
      const now = choose();
      if (!Bun.deepEquals(now, first)) rebuild(placeAll(now));
      for (const { member } of now) insertMember(context.database, member);
    },
  };
}

function placed(
  { paths }: Pick<ContainerContext, "paths">,
  { network, member }: Membership,
): PlacedNetwork {
  const { subnet4, subnet6 } = network;
  return {
    id: network.id,
    name: network.name,
    socket: `${networkDirectory(paths, network.id)}/net.sock`,
    interface: member.interface,
    mac: member.mac,
    address4: withLength(member.address4, subnet4),
    gateway4: subnet4.gateway,
    address6: member.address6 === null ? null : withLength(member.address6, subnet6),
    gateway6: subnet6?.gateway ?? null,
    isInternal: network.isInternal,
    hasNames: network.hasNames,
    hasDefaultRoute: network.hasDefaultRoute,
    servers: network.servers,
    mtu: network.mtu,
    aliases: member.aliases,
  };
}

/** What its rows say. */
export function listContainerNetworks(
  { database }: Pick<ContainerContext, "database">,
  id: string,
): Membership[] {
  return listMemberships(database, id).map((member) => ({
    network: getNetwork({ database }, member.networkId),
    member,
  }));
}

/** What its monitor is to be told; `without` a network that it is about to leave. Undefined: there is nothing to be made. */
export function entriesOf(
  context: ContainerContext,
  { id, name, options }: Pick<ContainerRecord, "id" | "name" | "options">,
  without?: string,
): NetworkEntry[] | undefined {
  const networks = listContainerNetworks(context, id)
    .filter(({ network }) => network.id !== without)
    .map((one) => placed(context, one));
  const containerDir = containerDirectory(context.paths, id);
  const asked = options as CreateOptions; // create recorded it
  return networkEntries(asked, context.host, { id, name, containerDir, networks });
}

/**
 * The container's files as its rows are: a command that was killed may have changed some of them only. helper.json comes
 * last, for what it says tells which lines in the others are ours.
 */
export function refreshNetworks(
  context: ContainerContext,
  record: ContainerRecord,
  without?: string,
): void {
  const { id, name } = record;
  const { networks: before, ...helper } = readContainerFile<HelperSettings>(
    context,
    id,
    "helper.json",
  );
  const networks = entriesOf(context, record, without);
  if (helper.name === name && Bun.deepEquals(before, networks)) return;
  const own = helper.network ?? null;
  const old = { name: helper.name, entries: before ?? [], own };
  rewriteNames(context, id, old, { name, entries: networks ?? [], own });
  const next = { ...helper, name, ...(networks === undefined ? {} : { networks }) };
  writeContainerFile(context, id, "helper.json", JSON.stringify(next));
}
