/** Which published ports are in each other's way. Pure. */
import { isIPv6 } from "node:net";
import { TspodError } from "../errors.ts";
import type { PublishedPort } from "../spec/index.ts";
import { formatHostPort } from "./show.ts";

/** Whether both cannot be there at once. What is still to be found is in nobody's way. */
export function areRivals(one: PublishedPort, other: PublishedPort): boolean {
  if (one.protocol !== other.protocol || isOpen(one) || isOpen(other)) return false;
  const meet =
    one.hostPort < other.hostPort + other.count && other.hostPort < one.hostPort + one.count;
  return meet && addressesMeet(one.hostAddress, other.hostAddress);
}

function isOpen({ hostPort, choices }: PublishedPort): boolean {
  return hostPort === 0 || choices !== undefined;
}

function addressesMeet(one: string, other: string): boolean {
  if (one === other || one === "" || other === "") return true;
  if (isIPv6(one) !== isIPv6(other)) return false;
  return [one, other].some((address) => address === "0.0.0.0" || address === "::");
}

/** Sockets that the network process has room for; "every address" takes two. */
const socketsMax = 4096;

/** Without what was said twice. Throws usage: one port of the host for two of the container, too many. */
export function distinctPorts(ports: readonly PublishedPort[]): PublishedPort[] {
  const sockets = ports.reduce((sum, one) => sum + one.count * (one.hostAddress === "" ? 2 : 1), 0);
  if (sockets > socketsMax) {
    throw new TspodError(
      "usage",
      `Cannot publish so many ports: ${sockets} sockets, on IPv4 and IPv6`,
      {
        next: `${socketsMax} are possible; publish fewer, on one address, or use --network=host`,
      },
    );
  }
  const kept: PublishedPort[] = [];
  for (const port of ports) {
    const rival = kept.find((other) => areRivals(port, other));
    if (rival === undefined) {
      kept.push(port);
      continue;
    }
    if (JSON.stringify(rival) === JSON.stringify(port)) continue;
    throw new TspodError("usage", `Cannot publish ${formatHostPort(port)} twice`, {
      next: "give each -p other ports of the host, or another address",
    });
  }
  return kept;
}
