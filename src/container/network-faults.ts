/**
 * What is wrong with networks, and mending it: helper.json that says otherwise than the rows, which a command that was killed
 * may have left and the next start would mend, and directories of networks that are no more.
 */
import { readdirSync, rmSync } from "node:fs";
import { basename } from "node:path";
import { type CreateOptions, type HelperSettings, isPrivate, networkUses } from "../spec/index.ts";
import { type ContainerRecord, listContainers } from "../store/containers.ts";
import { listNetworkRecords, networkDirectory } from "../store/networks.ts";
import type { ContainerContext } from "./context.ts";
import { readContainerFile } from "./files.ts";
import { entriesOf, refreshNetworks } from "./networks.ts";

export type NetworkFault =
  | { kind: "entries"; container: ContainerRecord }
  /** Of a network that is no more. */
  | { kind: "directory"; path: string };

export function findNetworkFaults(context: ContainerContext): NetworkFault[] {
  const entries = listContainers(context.database)
    .filter(({ options }) => {
      const { network } = options as CreateOptions; // create recorded it
      return networkUses(network) !== null || isPrivate(network);
    })
    .filter((container) => !saysSame(context, container))
    .map((container) => ({ kind: "entries", container }) as const);
  const known = new Set(
    listNetworkRecords(context.database).map(({ id }) =>
      basename(networkDirectory(context.paths, id)),
    ),
  );
  const strays = list(`${context.paths.runtime}/networks`)
    .filter((name) => !known.has(name))
    .map((name) => `${context.paths.runtime}/networks/${name}`);
  return [...entries, ...strays.map((path) => ({ kind: "directory", path }) as const)];
}

function saysSame(context: ContainerContext, container: ContainerRecord): boolean {
  try {
    const { networks } = readContainerFile<HelperSettings>(context, container.id, "helper.json");
    return Bun.deepEquals(networks, entriesOf(context, container));
  } catch {
    return true; // its directory is damaged: that is another fault
  }
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return []; // no network has been used since the host was started
  }
}

/** A container that runs keeps what it has: its monitor reads helper.json when it comes to that. */
export function mendNetworkFault(context: ContainerContext, fault: NetworkFault): void {
  if (fault.kind === "entries") refreshNetworks(context, fault.container);
  else rmSync(fault.path, { recursive: true, force: true });
}
