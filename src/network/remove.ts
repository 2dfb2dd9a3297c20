/** Removes networks that no container is on. */
import { rmdirSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { TspodError } from "../errors.ts";
import { transact } from "../store/database.ts";
import {
  countMembers,
  deleteNetwork,
  listNetworkUsers,
  networkDirectory,
  type NetworkRecord,
} from "../store/networks.ts";
import type { NetworkContext } from "./context.ts";
import { recordNetworkEvent } from "./create.ts";

/** Errors: network.in_use, network.not_found (removed meanwhile). */
export function removeNetwork(context: NetworkContext, network: NetworkRecord): void {
  const { database, paths } = context;
  const { id, name } = network;
  const work = (): void => {
    refuseInUse(context, network);
    if (deleteNetwork(database, id)) return;
    throw new TspodError("network.not_found", `Network "${name}" has just been removed`, {
      next: "tspod network ls lists those that are left",
    });
  };
  transact(database, work, { durable: true });
  recordNetworkEvent(context, "remove", network);
  // nobody can be on it any more: its process has gone, or goes as the last one leaves
  const directory = networkDirectory(paths, id);
  rmSync(directory, { recursive: true, force: true });
  try {
    rmdirSync(dirname(directory));
  } catch {
    // other networks are there, or none has been
  }
}

function refuseInUse({ database }: NetworkContext, { id, name }: NetworkRecord): void {
  const users = listNetworkUsers(database, id).map((user) => `"${user.name}"`);
  const [first] = users;
  if (first === undefined) return;
  const who = users.length === 1 ? `container ${first}` : `containers ${users.join(", ")}`;
  throw new TspodError("network.in_use", `Network "${name}" is in use by ${who}`, {
    next: `remove ${users.length === 1 ? "it" : "them"} first, or all at once: tspod network rm -f ${name}`,
  });
}

/** Those of `candidates` that no container is on, whether it runs or not. */
export function pruneNetworks(
  context: NetworkContext,
  candidates: readonly NetworkRecord[],
): NetworkRecord[] {
  const users = countMembers(context.database);
  return candidates.filter((network) => {
    if (users.has(network.id)) return false;
    try {
      removeNetwork(context, network);
      return true;
    } catch (error) {
      if (error instanceof TspodError && stays.includes(error.code)) return false;
      throw error;
    }
  });
}

/** Somebody was faster. */
const stays = ["network.in_use", "network.not_found"];
