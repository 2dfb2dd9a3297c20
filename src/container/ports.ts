/** Ports that are published, or not any more, while a container is there: at once when it runs, and from now on. */
import { TspodError } from "../errors.ts";
import {
  askNetwork,
  describeFailure,
  type PortForward,
  type PortReply,
  type PortRequest,
} from "../helper/index.ts";
import { areRivals, formatHostPort, settlePorts } from "../network/index.ts";
import {
  type CreateOptions,
  formatNetworkMode,
  type HelperSettings,
  networkUses,
  noNetworkOptions,
  type PublishedPort,
} from "../spec/index.ts";
import { listContainers, runtimeDirectory, updateOptions } from "../store/containers.ts";
import { transact } from "../store/database.ts";
import { claimContainer } from "./claim.ts";
import type { ContainerContext } from "./context.ts";
import { recordContainerEvent } from "./events.ts";
import { readContainerFile, writeContainerFile } from "./files.ts";
import { type Container, getContainer } from "./find.ts";
import { portsOf } from "./asked.ts";
import { asIpv4 } from "./network-tool.ts";
import { refreshNetworks } from "./networks.ts";
import { withHolder } from "./port-holder.ts";

/**
 * What was added, with every number written down. What is published already is no error. First it is recorded, then the
 * network process is told: what that refuses is taken back. Errors: usage, port.*, network.*, container.not_found.
 */
export async function addPorts(
  context: ContainerContext,
  container: Container,
  asked: readonly PublishedPort[],
): Promise<PublishedPort[]> {
  using _lease = await claim(context, container);
  const current = getContainer(context, container.id);
  const known = portsOf(current);
  const ports = await settlePorts(asked, {
    hasIpv6: hasIpv6(readHelper(context, current)),
    taken: listContainers(context.database)
      .filter(({ id }) => id !== current.id)
      .flatMap(portsOf),
  });
  if (readHelper(context, current).networkTool !== undefined) ports.forEach(asIpv4);
  const fresh = ports.filter((port) => !known.some((one) => isSame(one, port)));
  const rival = fresh.find((port) => known.some((one) => areRivals(one, port)));
  if (rival !== undefined) {
    throw new TspodError(
      "port.in_use",
      `"${current.name}" publishes ${formatHostPort(rival)} already`,
      {
        next: `see tspod port ${current.name}; tspod port rm takes one away`,
      },
    );
  }
  record(context, current, [...known, ...fresh]);
  try {
    await tellAll(context, current, ports);
  } catch (error) {
    record(context, current, known);
    throw withHolder(context, current.id, ports, error);
  }
  recordContainerEvent(context, "update", current);
  return ports;
}

/**
 * First the network process is told: killed in between, the same command finds the port recorded, and ends what it began.
 * What was removed: those that lead to the same port, from where `asked` says or (port 0) from everywhere.
 */
export async function removePorts(
  context: ContainerContext,
  container: Container,
  asked: readonly PublishedPort[],
): Promise<PublishedPort[]> {
  using _lease = await claim(context, container);
  const current = getContainer(context, container.id);
  const known = portsOf(current);
  const unknown = asked.find((wish) => !known.some((port) => isMeant(port, wish)));
  if (unknown !== undefined) throw notPublished(current, unknown);
  const gone = known.filter((port) => asked.some((wish) => isMeant(port, wish)));
  if (current.state.status === "running") {
    for (const port of gone) {
      const reply = await ask(context, current, { remove: port });
      const isGone = reply === null || reply.ok || reply.errno === noEntry;
      if (!isGone) throw failure(reply, port);
    }
  }
  record(
    context,
    current,
    known.filter((port) => !gone.includes(port)),
  );
  recordContainerEvent(context, "update", current);
  return gone;
}

const noEntry = 2; // ENOENT: it was not there any more

function notPublished({ name }: Container, { containerPort, protocol }: PublishedPort): TspodError {
  const what = `Port ${containerPort}/${protocol} of "${name}" is not published like that`;
  return new TspodError("port.not_published", what, { next: `tspod port ${name} shows what is` });
}

async function claim(context: ContainerContext, container: Container): Promise<Disposable> {
  const helper = readHelper(context, container);
  refuseTool(container, helper);
  if (
    helper.network === undefined &&
    helper.networkTool === undefined &&
    helper.networks?.every(({ internal }) => internal) !== false
  ) {
    const { network } = container.options as CreateOptions; // create recorded it
    const why =
      networkUses(network) === null
        ? `has no network of its own to publish from (--network=${formatNetworkMode(network)})`
        : "is on no network that leads out";
    throw new TspodError(
      "network.unavailable",
      `Cannot publish: container "${container.name}" ${why}`,
      { next: "create it with --network=private, or on a network that is not internal" },
    );
  }
  const lease = await claimContainer(context, container, { patient: true, passesMounts: true });
  if (lease !== null) return lease;
  throw new TspodError("container.not_found", `Container "${container.name}" has been removed`, {
    next: "tspod ps -a lists those that are left",
  });
}

/** A program of the host's that is told its ports with its other words, and listens to nobody afterwards. */
function refuseTool({ name }: Container, { networkTool }: HelperSettings): void {
  if (networkTool === undefined || networkTool.socket !== undefined) return;
  throw new TspodError(
    "network.unavailable",
    `Cannot change the ports of "${name}": pasta takes them only when it starts`,
    { next: "create it anew with other -p, or with --network=private, where ports come and go" },
  );
}

function readHelper(context: ContainerContext, { id }: Container): HelperSettings {
  return readContainerFile<HelperSettings>(context, id, "helper.json");
}

function hasIpv6({ network, networks = [] }: HelperSettings): boolean {
  return (network ?? networks[0])?.address6 != null;
}

function isSame(one: PublishedPort, other: PublishedPort): boolean {
  return (
    one.protocol === other.protocol &&
    one.hostAddress === other.hostAddress &&
    one.hostPort === other.hostPort &&
    one.containerPort === other.containerPort &&
    one.count === other.count
  );
}

/** The network process lists them one by one. */
function isThere(port: PublishedPort, listed: readonly PortForward[]): boolean {
  return Array.from({ length: port.count }, (_, index) => index).every((index) =>
    listed.some(
      (one) =>
        one.protocol === port.protocol &&
        one.hostAddress === port.hostAddress &&
        one.hostPort === port.hostPort + index &&
        one.containerPort === port.containerPort + index,
    ),
  );
}

function isMeant(port: PublishedPort, wish: PublishedPort): boolean {
  const inside =
    port.protocol === wish.protocol &&
    port.containerPort === wish.containerPort &&
    port.count === wish.count;
  const outside = wish.hostPort === 0 || wish.hostPort === port.hostPort;
  return inside && outside && (wish.hostAddress === "" || wish.hostAddress === port.hostAddress);
}

function record(context: ContainerContext, container: Container, ports: PublishedPort[]): void {
  const work = (): void => {
    const options = getContainer(context, container.id).options as CreateOptions; // create recorded it
    const networking = { ...noNetworkOptions, ...options.networking, ports };
    updateOptions(context.database, container.id, { ...options, networking });
    const helper = readHelper(context, container);
    if (helper.networks !== undefined && helper.network === undefined) {
      refreshNetworks(context, getContainer(context, container.id));
      return;
    }
    const { network, networkTool } = helper;
    if (network === undefined && networkTool === undefined) return;
    const next = {
      ...helper,
      ...(network === undefined ? {} : { network: { ...network, ports } }),
      ...(networkTool === undefined ? {} : { networkTool: { ...networkTool, ports } }),
    };
    writeContainerFile(context, container.id, "helper.json", JSON.stringify(next));
  };
  transact(context.database, work, { durable: true });
}

/** All or none. */
async function tellAll(
  context: ContainerContext,
  container: Container,
  ports: readonly PublishedPort[],
): Promise<void> {
  if (container.state.status !== "running") return;
  const listed = await ask(context, container, { list: true });
  if (listed === null) return requireEnded(context, container); // then they are there with its next start
  const there = listed.ok ? (listed.ports ?? []) : [];
  const told: PublishedPort[] = [];
  for (const port of ports) {
    if (isThere(port, there)) continue;
    const reply = await ask(context, container, { add: port });
    if (reply === null || reply.ok) {
      told.push(port);
      continue;
    }
    for (const one of told) await ask(context, container, { remove: one });
    throw failure(reply, port);
  }
}

/** A container that runs has a network that answers. */
function requireEnded(context: ContainerContext, { id, name }: Container): void {
  if (getContainer(context, id).state.status !== "running") return;
  throw new TspodError("network.failed", `The network of "${name}" does not answer`, {
    next: `start it anew: tspod restart ${name}`,
  });
}

async function ask(
  context: ContainerContext,
  container: Container,
  request: PortRequest,
): Promise<PortReply | null> {
  const { networkTool } = readHelper(context, container);
  if (networkTool?.socket !== undefined) {
    const { askSlirp } = await import("./slirp-ports.ts");
    return askSlirp(networkTool.socket, request);
  }
  return askNetwork(context.helper, runtimeDirectory(context.paths, container.id), request);
}

/** The numbers are Linux's, the same on every architecture we run on. */
const errnoNames: Record<number, string> = {
  ...{ 2: "ENOENT", 13: "EACCES", 22: "EINVAL", 23: "ENFILE", 24: "EMFILE", 28: "ENOSPC" },
  ...{ 97: "EAFNOSUPPORT", 98: "EADDRINUSE", 99: "EADDRNOTAVAIL", 105: "ENOBUFS" },
};

function failure(reply: Extract<PortReply, { ok: false }>, port: PublishedPort): TspodError {
  const errno = errnoNames[reply.errno] ?? `errno ${reply.errno}`;
  const detail = reply.detail === "" ? formatHostPort(port) : reply.detail;
  return describeFailure({ call: "publish", detail, errno });
}
