/**
 * A container comes to a network, or leaves it, while it is there: at once when it runs, and from now on. First its files
 * say so, then its monitor is told; its row comes before both, and goes after them, for it holds the address. A command that
 * was killed in between is ended by the same command.
 */
import { control } from "../helper/index.ts";
import { TspodError } from "../errors.ts";
import { chooseMember, getNetwork, recordNetworkEvent } from "../network/records.ts";
import {
  type CreateOptions,
  formatNetworkMode,
  isPrivate,
  missingNetwork,
  type NetworkUse,
  networkUses,
  privateNetwork,
} from "../spec/index.ts";
import { runtimeDirectory, updateOptions } from "../store/containers.ts";
import { transact } from "../store/database.ts";
import {
  deleteMember,
  insertMember,
  listMemberships,
  type NetworkRecord,
} from "../store/networks.ts";
import { claimContainer } from "./claim.ts";
import type { ContainerContext } from "./context.ts";
import { type Container, getContainer } from "./find.ts";
import { refreshNetworks, requireRoom } from "./networks.ts";

/**
 * Errors: network.connected, network.unavailable (it has another kind of network), network.address_in_use,
 * network.no_address, network.failed, network.not_found, container.not_found, usage.
 */
export async function connectContainer(
  context: ContainerContext,
  container: Container,
  network: NetworkRecord,
  use: NetworkUse,
): Promise<void> {
  requireKind(context, container);
  using _lease = await claim(context, container);
  const change = (): boolean => {
    const current = getContainer(context, container.id);
    getNetwork(context, network.id); // it may have been removed meanwhile
    const known = listMemberships(context.database, container.id);
    if (known.some(({ networkId }) => networkId === network.id)) return false;
    requireRoom(known.length + 1);
    const own = isPrivate((current.options as CreateOptions).network) // create recorded it
      ? [privateNetwork.interface]
      : [];
    const interfaces = [...own, ...known.map((one) => one.interface)];
    const about = { containerId: container.id, interfaces };
    insertMember(context.database, chooseMember(context.database, network, use, about));
    recordUses(context, current, (uses) => [...uses, { ...use, name: network.name }]);
    return true;
  };
  const isNew = transact(context.database, change, { durable: true });
  try {
    const answer = await tell(context, container, { op: "connect", network: network.id });
    if (!isNew && answer !== "done") throw connected(container, network);
  } catch (error) {
    if (isNew)
      transact(context.database, () => forget(context, container, network), { durable: true });
    throw error;
  }
  recordNetworkEvent(context, "connect", network, container.id);
}

/** `force`: a monitor that does not answer is no error. Errors: network.not_connected, network.failed, container.not_found. */
export async function disconnectContainer(
  context: ContainerContext,
  container: Container,
  network: NetworkRecord,
  { force }: { force: boolean },
): Promise<void> {
  const { network: mode } = container.options as CreateOptions; // create recorded it
  if (networkUses(mode) === null) throw notConnected(container, network);
  using _lease = await claim(context, container);
  const isRecorded = listMemberships(context.database, container.id).some(
    ({ networkId }) => networkId === network.id,
  );
  // the row goes last: nobody else is to have its address before it has left
  if (isRecorded) refreshNetworks(context, getContainer(context, container.id), network.id);
  try {
    const answer = await tell(context, container, { op: "disconnect", network: network.id });
    if (!isRecorded && answer !== "done") throw notConnected(container, network);
  } catch (error) {
    const isForced = force && error instanceof TspodError && error.code === "network.failed";
    if (!isForced) {
      if (isRecorded) refreshNetworks(context, getContainer(context, container.id));
      throw error;
    }
  }
  transact(context.database, () => forget(context, container, network), { durable: true });
  recordNetworkEvent(context, "disconnect", network, container.id);
}

/** What has a network of its own, or is on networks that were created. */
function requireKind({ host }: ContainerContext, { name, options }: Container): void {
  const asked = options as CreateOptions; // create recorded it
  if (networkUses(asked.network) === null && !isPrivate(asked.network)) {
    throw new TspodError(
      "network.unavailable",
      `Cannot connect "${name}": it has no place for networks (--network=${formatNetworkMode(asked.network)})`,
      {
        next: "create it with a private network (the default), or on one that was created: --network NAME",
      },
    );
  }
  const lack = missingNetwork(host);
  if (lack === null) return;
  const why = `Cannot connect "${name}": ${lack.why}`;
  throw new TspodError("network.unavailable", why, { next: lack.next });
}

async function claim(context: ContainerContext, container: Container): Promise<Disposable> {
  const lease = await claimContainer(context, container, { patient: true, passesMounts: true });
  if (lease !== null) return lease;
  throw new TspodError("container.not_found", `Container "${container.name}" has been removed`, {
    next: "tspod ps -a lists those that are left",
  });
}

/** Inside a transaction. Once more is no error. */
function forget(context: ContainerContext, container: Container, network: NetworkRecord): void {
  if (!deleteMember(context.database, container.id, network.id)) return;
  const current = getContainer(context, container.id);
  recordUses(context, current, (uses) => uses.filter(({ name }) => name !== network.name));
}

/** Inside a transaction, after the rows have changed. */
function recordUses(
  context: ContainerContext,
  container: Container,
  change: (uses: NetworkUse[]) => NetworkUse[],
): void {
  const options = container.options as CreateOptions; // create recorded it
  const networks = change(networkUses(options.network) ?? []);
  const network = !isPrivate(options.network)
    ? { networks }
    : networks.length === 0
      ? "private"
      : { networks, isPrivateToo: true as const };
  updateOptions(context.database, container.id, { ...options, network });
  refreshNetworks(context, getContainer(context, container.id));
}

/** "same": so it was already, or nobody runs who had to be told. */
async function tell(
  context: ContainerContext,
  { id, name }: Container,
  request: { op: "connect" | "disconnect"; network: string },
): Promise<"done" | "same"> {
  const { status } = getContainer(context, id).state;
  if (status !== "running") return "same";
  const reply = await control(runtimeDirectory(context.paths, id), request);
  if (reply?.ok === true) return "done";
  const isSame = reply?.errno === (request.op === "connect" ? "EEXIST" : "ENOENT");
  // one that ends just now is told by helper.json with its next start
  if (isSame || (reply === null && getContainer(context, id).state.status !== "running")) {
    return "same";
  }
  const why = reply === null ? "its monitor does not answer" : (reply.detail ?? reply.errno);
  throw new TspodError("network.failed", `Cannot ${request.op} "${name}" while it runs: ${why}`, {
    next: `stop it first: tspod stop ${name}`,
  });
}

function connected({ name }: Container, network: NetworkRecord): TspodError {
  const what = `Container "${name}" is on network "${network.name}" already`;
  return new TspodError("network.connected", what, {
    next: `tspod network disconnect ${network.name} ${name} takes it away`,
  });
}

function notConnected({ name }: Container, network: NetworkRecord): TspodError {
  const what = `Container "${name}" is not on network "${network.name}"`;
  return new TspodError("network.not_connected", what, {
    next: `tspod network inspect ${network.name} shows who is`,
  });
}
