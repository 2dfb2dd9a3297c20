/** Makes networks. Its subnets are chosen in the transaction that makes it, so no two have the same. */
import { TspodError } from "../errors.ts";
import { hostSubnets } from "../host/subnets.ts";
import { transact } from "../store/database.ts";
import { recordEvent } from "../store/events.ts";
import {
  insertNetwork,
  findNetworkRecords,
  listNetworkRecords,
  type NetworkRecord,
  type NetworkSettings,
} from "../store/networks.ts";
import type { NetworkContext } from "./context.ts";
import { parseCidr } from "./ip.ts";
import {
  type AskedSubnets,
  freeSubnet4,
  freeSubnet6,
  refuseTaken,
  type TakenSubnet,
} from "./subnets.ts";
import { isNetworkName } from "./use.ts";
import { networkModes } from "./words.ts";

export interface NewNetwork extends Omit<NetworkSettings, "subnet4" | "subnet6">, AskedSubnets {
  /** Null: the first free one of "tspod1", "tspod2", ... */
  name: string | null;
  labels: Record<string, string>;
  /** It is to have an IPv6 subnet, whichever. */
  hasIpv6: boolean;
}

/** Words that --network has for something else. */
const reserved: readonly string[] = [
  ...networkModes,
  ...["bridge", "default", "podman", "container", "ns", "name"],
];

/** podman's rule. Throws usage. */
export function parseNetworkName(text: string): string {
  if (reserved.includes(text)) {
    throw new TspodError(
      "usage",
      `A network cannot be called "${text}": it is a mode of --network`,
      {
        next: "give another name",
      },
    );
  }
  if (isNetworkName(text)) return text;
  throw new TspodError("usage", `Invalid network name "${text}"`, {
    next: "use letters, digits, '_', '.' and '-', beginning with a letter or digit",
  });
}

/** Errors: network.exists unless `ignoresExisting`, network.no_subnet, store.*. */
export function createNetwork(
  context: NetworkContext,
  wanted: NewNetwork,
  { ignoresExisting }: { ignoresExisting: boolean },
): NetworkRecord {
  const { database } = context;
  const { name: asked, labels, hasIpv6, subnet4, subnet6, ...settings } = wanted;
  const onHost = hostSubnets().flatMap(takenByHost);
  let isNew = true;
  const work = (): NetworkRecord => {
    const all = listNetworkRecords(database);
    const name = asked ?? freeName(all);
    const known = all.find((one) => one.name === name);
    if (known !== undefined) {
      isNew = false;
      return known;
    }
    if (asked !== null) refuseId(context, asked);
    const taken = [...all.flatMap(takenByNetwork), ...onHost];
    if (subnet4 !== null) refuseTaken(subnet4, taken);
    if (subnet6 !== null) refuseTaken(subnet6, taken);
    const record: NetworkRecord = {
      ...{ id: newId(), name, labels, createdAt: context.now(), ...settings },
      subnet4: subnet4 ?? freeSubnet4(taken),
      subnet6: subnet6 ?? (hasIpv6 ? freeSubnet6(taken) : null),
    };
    insertNetwork(database, record);
    return record;
  };
  const record = transact(database, work, { durable: true });
  if (isNew) {
    recordNetworkEvent(context, "create", record);
    return record;
  }
  if (ignoresExisting) return record;
  throw new TspodError("network.exists", `There is a network "${record.name}" already`, {
    next: `use it, remove it with tspod network rm ${record.name}, or create it with --ignore`,
  });
}

/** A name that is another one's whole id would hide that. */
function refuseId({ database }: NetworkContext, name: string): void {
  const [found] = findNetworkRecords(database, name);
  if (found?.id !== name) return;
  throw new TspodError("usage", `"${name}" is the id of network "${found.name}"`, {
    next: "give another name",
  });
}

function freeName(all: readonly NetworkRecord[]): string {
  const names = new Set(all.map(({ name }) => name));
  for (let number = 1; ; number++) if (!names.has(`tspod${number}`)) return `tspod${number}`;
}

function takenByNetwork({ name, subnet4, subnet6 }: NetworkRecord): TakenSubnet[] {
  return [subnet4, subnet6].flatMap((one) => taken(one?.subnet ?? "", `network "${name}"`));
}

const takenByHost = (text: string): TakenSubnet[] => taken(text, "this host");

function taken(text: string, owner: string): TakenSubnet[] {
  const subnet = parseCidr(text);
  return subnet === null ? [] : [{ subnet, owner }];
}

const newId = (): string => Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString("hex");

/** `container`: whom it is about. */
export function recordNetworkEvent(
  context: Pick<NetworkContext, "paths">,
  status: "create" | "remove" | "connect" | "disconnect" | "update",
  { id, name }: Pick<NetworkRecord, "id" | "name">,
  container?: string,
): void {
  const attributes = { driver: "bridge", ...(container === undefined ? {} : { container }) };
  recordEvent(context, { type: "network", status, id, name, attributes });
}
