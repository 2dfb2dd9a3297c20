/** Published ports as people and scripts read them: `ps`, `port`, `inspect`, sentences. Pure. */
import type { PublishedPort } from "../spec/index.ts";

/** Of an address that is one; ps loads this file, and node:net would cost it more than the rest. */
const isIPv6 = (address: string): boolean => address.includes(":");

const range = (from: number, count: number): string =>
  count === 1 ? String(from) : `${from}-${from + count - 1}`;

export function formatAddress(address: string): string {
  return isIPv6(address) ? `[${address}]` : address;
}

/** "0.0.0.0:8080/tcp", "[::1]:8000-8010/udp". */
export function formatHostPort({ protocol, hostAddress, hostPort, count }: PublishedPort): string {
  const address = hostAddress === "" ? "0.0.0.0" : hostAddress;
  return `${formatAddress(address)}:${range(hostPort, count)}/${protocol}`;
}

/** pasta's: "127.0.0.1/8080:80". */
export function formatPastaPort({
  hostAddress,
  hostPort,
  containerPort,
  count,
}: PublishedPort): string {
  return `${hostAddress}/${range(hostPort, count)}:${range(containerPort, count)}`;
}

/** docker's column: "0.0.0.0:8080->80/tcp, 443/tcp"; `exposed` are those that are perhaps not published. */
export function formatPorts(ports: readonly PublishedPort[], exposed: readonly string[]): string {
  const published = grouped(ports).map((port) => {
    const { protocol, hostAddress, hostPort, containerPort, count } = port;
    const inside = `${range(containerPort, count)}/${protocol}`;
    return `${formatAddress(hostAddress)}:${range(hostPort, count)}->${inside}`;
  });
  const rest = exposed.filter((port) => !ports.some((one) => leadsTo(one, port)));
  return [...formatExposed(rest), ...published].join(", ");
}

/** Lines that go on where another one ends become one, as docker shows them. */
function grouped(ports: readonly PublishedPort[]): PublishedPort[] {
  const sorted = ports.toSorted(
    (a, b) =>
      a.protocol.localeCompare(b.protocol) ||
      Number(isIPv6(a.hostAddress)) - Number(isIPv6(b.hostAddress)) ||
      a.hostAddress.localeCompare(b.hostAddress) ||
      a.containerPort - b.containerPort ||
      a.hostPort - b.hostPort,
  );
  const groups: PublishedPort[] = [];
  for (const port of sorted) {
    const last = groups.at(-1);
    const goesOn =
      last !== undefined &&
      last.protocol === port.protocol &&
      last.hostAddress === port.hostAddress &&
      last.containerPort + last.count === port.containerPort &&
      last.hostPort + last.count === port.hostPort;
    if (goesOn) groups[groups.length - 1] = { ...last, count: last.count + port.count };
    else groups.push(port);
  }
  return groups;
}

/** "80/tcp" -> 80 and "tcp". */
export function splitPort(port: string): { number: number; protocol: string } {
  const [number = "", protocol = "tcp"] = port.split("/");
  return { number: Number(number), protocol };
}

export function leadsTo({ protocol, containerPort, count }: PublishedPort, port: string): boolean {
  const { number, protocol: wanted } = splitPort(port);
  return protocol === wanted && number >= containerPort && number < containerPort + count;
}

function formatExposed(exposed: readonly string[]): string[] {
  const asPorts = [...new Set(exposed)].map((port) => {
    const { number, protocol } = splitPort(port);
    const ends = { hostAddress: "", hostPort: number, containerPort: number, count: 1 };
    return { ...ends, protocol: protocol as PublishedPort["protocol"] }; // sctp too, which is only shown
  });
  return grouped(asPorts).map(
    ({ containerPort, count, protocol }) => `${range(containerPort, count)}/${protocol}`,
  );
}

export interface HostBinding {
  HostIp: string;
  HostPort: string;
}

/** docker's map: "80/tcp" -> where it is on the host; null: nowhere, it is only exposed. */
export function portMap(
  ports: readonly PublishedPort[],
  exposed: readonly string[] = [],
): Record<string, HostBinding[] | null> {
  const map = new Map<string, HostBinding[] | null>(exposed.map((port) => [port, null]));
  for (const { protocol, hostAddress, hostPort, containerPort, count } of ports) {
    for (let index = 0; index < count; index++) {
      const key = `${containerPort + index}/${protocol}`;
      const bindings = map.get(key) ?? [];
      bindings.push({ HostIp: hostAddress, HostPort: String(hostPort + index) });
      map.set(key, bindings);
    }
  }
  const entries = [...map].toSorted(([a], [b]) => splitPort(a).number - splitPort(b).number);
  return Object.fromEntries(entries);
}
