/** Ports of the host that a new container leaves to us: free now, and not promised to another container. */
import { isIPv6 } from "node:net";
import { TspodError } from "../errors.ts";
import type { PublishedPort } from "../spec/index.ts";
import { areRivals } from "./overlap.ts";
import { portMax } from "./publish.ts";
import { leadsTo, splitPort } from "./show.ts";

/** Blocks that are looked at before there is none. */
const drawsMax = 256;

export interface Surroundings {
  hasIpv6: boolean;
  /** Of all other containers, whether they run or not. */
  taken: readonly PublishedPort[];
}

/** -P: what is exposed and not published yet, each on a free port. SCTP is not passed on. Pure. */
export function exposedPorts(
  exposed: readonly string[],
  ports: readonly PublishedPort[],
): PublishedPort[] {
  return [...new Set(exposed)]
    .filter((port) => !ports.some((one) => leadsTo(one, port)))
    .flatMap((port) => {
      const { number, protocol } = splitPort(port);
      if (protocol !== "tcp" && protocol !== "udp") return [];
      return [{ protocol, hostAddress: "", hostPort: 0, containerPort: number, count: 1 }];
    });
}

/** With every number and address written down. Errors: usage (no block of ports is free). */
export async function settlePorts(
  ports: readonly PublishedPort[],
  around: Surroundings,
): Promise<PublishedPort[]> {
  const settled: PublishedPort[] = [];
  const inTheWay = [...around.taken, ...ports.filter(isGiven)];
  for (const port of ports) {
    const { choices: _, ...fixed } = port;
    const found = isGiven(port) ? fixed : await findFree(port, { ...around, taken: inTheWay });
    inTheWay.push(found);
    settled.push(...onEveryAddress(found, around));
  }
  return settled;
}

const isGiven = ({ hostPort, choices }: PublishedPort): boolean =>
  hostPort !== 0 && choices === undefined;

function onEveryAddress(port: PublishedPort, { hasIpv6 }: Surroundings): PublishedPort[] {
  if (port.hostAddress !== "") return [port];
  const addresses = hasIpv6 ? ["0.0.0.0", "::"] : ["0.0.0.0"];
  return addresses.map((hostAddress) => ({ ...port, hostAddress }));
}

async function findFree(port: PublishedPort, around: Surroundings): Promise<PublishedPort> {
  const { choices, ...rest } = port;
  for (const first of choices === undefined ? await drawn(port) : inTurn(port, choices)) {
    const found: PublishedPort = { ...rest, hostPort: first };
    if (first + port.count - 1 > portMax || around.taken.some((one) => areRivals(one, found)))
      continue;
    if (await isFree(found, around)) return found;
  }
  const what = choices === undefined ? `${port.count} ports in a row` : "a port of the range";
  throw new TspodError(
    "usage",
    `Cannot publish ${port.containerPort}/${port.protocol}: ${what} could not be found that is free`,
    { next: "name other ports of the host" },
  );
}

function inTurn({ hostPort }: PublishedPort, choices: number): number[] {
  return Array.from({ length: choices }, (_, index) => hostPort + index);
}

/** The kernel's own choice first, which knows its range; a block begins anywhere above the privileged ports. */
async function drawn({ protocol, hostAddress, count }: PublishedPort): Promise<number[]> {
  const address = hostAddress === "" ? "0.0.0.0" : hostAddress;
  const first = await bind(protocol, address, 0);
  const others = crypto.getRandomValues(new Uint16Array(drawsMax));
  const low = 32_768;
  const draws = [...others].map((value) => low + (value % (portMax - low - count + 1)));
  return first === null ? draws : [first, ...draws];
}

async function isFree(port: PublishedPort, around: Surroundings): Promise<boolean> {
  for (const { hostAddress, hostPort, count } of onEveryAddress(port, around)) {
    for (let index = 0; index < count; index++) {
      if ((await bind(port.protocol, hostAddress, hostPort + index)) === null) return false;
    }
  }
  return true;
}

/** The port, which is let go again at once; null: it cannot be had. */
async function bind(protocol: string, hostname: string, port: number): Promise<number | null> {
  try {
    if (protocol === "tcp") {
      const listener = Bun.listen({
        ...{ hostname, port, exclusive: true, ipv6Only: isIPv6(hostname) },
        socket: { data() {} },
      });
      const { port: bound } = listener;
      listener.stop(true);
      return bound;
    }
    const socket = await Bun.udpSocket({ hostname, port });
    const { port: bound } = socket;
    socket.close();
    return bound;
  } catch {
    return null; // why does not matter: another one is looked for
  }
}
