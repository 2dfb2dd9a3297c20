/**
 * Other name servers for a network, at once for the containers on it that run. The network's row comes first, then each
 * container's files, then its monitor: should a kill come in between, the next start has what the row says.
 */
import { control } from "../helper/index.ts";
import { TspodError } from "../errors.ts";
import { getNetwork, recordNetworkEvent, requireServers } from "../network/records.ts";
import { isUp, runtimeDirectory } from "../store/containers.ts";
import { transact } from "../store/database.ts";
import { listNetworkUsers, type NetworkRecord, updateNetwork } from "../store/networks.ts";
import { claimContainer } from "./claim.ts";
import type { ContainerContext } from "./context.ts";
import { findContainer } from "./find.ts";
import { refreshNetworks } from "./networks.ts";

export interface ServerChange {
  add: readonly string[];
  drop: readonly string[];
}

/** What it has already is no error, nor what it has not. Errors: usage, network.not_found, network.failed. */
export async function changeServers(
  context: ContainerContext,
  { id }: NetworkRecord,
  { add, drop }: ServerChange,
): Promise<void> {
  const { database } = context;
  const change = (): NetworkRecord => {
    const network = getNetwork(context, id);
    if (add.length > 0 && network.isInternal) throw leadsNowhere(network);
    const kept = network.servers.filter((one) => !drop.includes(one));
    const servers = [...kept, ...add.filter((one) => !kept.includes(one))];
    requireServers(servers);
    const next = { ...network, servers };
    updateNetwork(database, next);
    return next;
  };
  const network = transact(database, change, { durable: true });
  recordNetworkEvent(context, "update", network);
  const deaf: string[] = [];
  for (const user of listNetworkUsers(database, id)) {
    if (!(await refresh(context, user.id))) deaf.push(user.name);
  }
  if (deaf.length > 0) throw notTold(network, deaf);
}

/** False: it runs, and could not be told. */
async function refresh(context: ContainerContext, id: string): Promise<boolean> {
  const known = findContainer(context, id);
  if (known === null) return true;
  using lease = await claimContainer(context, known, { patient: true, passesMounts: true });
  const current = findContainer(context, id);
  if (lease === null || current === null) return true; // it has been removed
  transact(context.database, () => refreshNetworks(context, current), { durable: false });
  if (!isUp(current.state)) return true;
  const reply = await control(runtimeDirectory(context.paths, id), { op: "refresh" });
  // one that ends just now is told by helper.json with its next start
  return reply?.ok === true || !isUp(findContainer(context, id)?.state ?? current.state);
}

function leadsNowhere({ name }: NetworkRecord): TspodError {
  const what = `Cannot give the network "${name}" name servers: it is internal, nothing leads out`;
  return new TspodError("usage", what, {
    next: "containers on it find each other by name without them",
  });
}

function notTold({ name }: NetworkRecord, deaf: readonly string[]): TspodError {
  const who = deaf.map((one) => `"${one}"`).join(", ");
  const what = `Network "${name}" has other name servers, but ${who} could not be told of them`;
  return new TspodError("network.failed", what, {
    next: `tspod restart ${deaf.join(" ")} makes use of them`,
  });
}
