/**
 * Who stands beside whom: each is a command that runs the same program (inside.ts) on a network of its own, whose ports
 * it publishes itself. Podman has its ports from rootlessport, and its way out from slirp4netns: so has that row.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { processesLike } from "../../support/memory.ts";
import { bareContainer } from "../../net/bare-container.ts";
import { inner, type Published, publishedAt } from "./ports.ts";

export interface Peer {
  name: string;
  command: string[];
  /** What has to be installed. */
  needs?: string;
  /** Where its own name server is, as seen from inside. */
  names: string;
  /** What leads from outside to the servers inside. */
  published?: Published;
  /** The same by podman's means. */
  byRootlessport?: Published;
  /** Its process that is the network, by its command line. */
  isNetwork?: (commandLine: string) => boolean;
}

const rootlessport = "/usr/lib/podman/rootlessport";

/** `program` are the words that run inside; `resolv` names the server that everybody is to ask. */
export function peersOf(base: string, program: (name: string) => string[], resolv: string): Peer[] {
  const [ours, pastas, slirps, podmans] = [1, 2, 3, 4].map(publishedAt) as Published[];
  if (!ours || !pastas || !slirps || !podmans) throw new Error("four places");
  return [
    {
      name: "tspod",
      names: "10.0.2.3",
      published: ours,
      ...tspod(base, program("tspod"), { resolv, ports: ours }),
    },
    {
      name: "pasta",
      names: "10.0.2.3",
      published: pastas,
      ...pasta(base, program("pasta"), pastas),
    },
    {
      ...{ name: "slirp4netns", names: "10.0.2.3", published: slirps, byRootlessport: podmans },
      ...slirp(base, program("slirp4netns"), { own: slirps, podmans }),
    },
  ];
}

type Words = Pick<Peer, "command" | "needs" | "isNetwork">;

function tspod(base: string, words: string[], given: { resolv: string; ports: Published }): Words {
  const forward = (hostPort: number, containerPort: number): object[] =>
    ["0.0.0.0", "::"].map((hostAddress) => ({
      ...{ protocol: "tcp", hostAddress, hostPort, containerPort, count: 1 },
    }));
  const { iperf, http } = given.ports;
  const ports = [...forward(iperf, inner.iperf), ...forward(http, inner.http)];
  return {
    command: bareContainer(base, words, {
      shared: [base],
      network: { resolv: given.resolv, ports },
    }),
    isNetwork: (line) => / net \S/.test(line) && line.includes(base),
  };
}

/**
 * Puts the program into a network namespace made for it; `lines` give that its network and know its process as $child.
 * What they start they leave in $network.
 */
function inNamespace(base: string, name: string, words: string[], lines: string[]): string[] {
  const own = join(base, name);
  const script = [
    `mkfifo ${own}.go; unshare -n bash -c 'ip link set lo up; read x <${own}.go; exec ${words.join(" ")}' & child=$!`,
    `until [ "$(readlink /proc/$child/ns/net)" != "$(readlink /proc/$$/ns/net)" ]; do sleep 0.01; done`,
    `inside() { nsenter -t $child -n "$@"; }`,
    ...lines,
    `echo >${own}.go; wait $child; kill $network`,
  ].join("\n");
  return ["bash", "-c", script];
}

const isConfigured = "until inside ip route 2>/dev/null | grep -q default; do sleep 0.05; done";

/** As podman starts it. By itself it takes the address of the host, which would then be nobody else's. */
function pasta(base: string, words: string[], ports: Published): Words {
  const away = "-a 10.0.2.100 -n 24 -g 10.0.2.2 --dns-forward 10.0.2.3 -a fd00::100 -g fd00::2";
  const forwards = `${ports.iperf}:${inner.iperf},${ports.http}:${inner.http}`;
  const closed = "-u none -T none -U none";
  return {
    needs: "pasta",
    command: inNamespace(base, "pasta", words, [
      `touch ${base}/pasta.ns; mount --bind /proc/$child/ns/net ${base}/pasta.ns`,
      `pasta --netns ${base}/pasta.ns --netns-only --runas 0:0 --config-net ${away} -f -q -t ${forwards} ${closed} >/dev/null 2>&1 & network=$!`,
      isConfigured,
    ]),
    isNetwork: (line) => line.startsWith("pasta"),
  };
}

/** Its own forwards and podman's, which copies between sockets in both namespaces. */
function slirp(
  base: string,
  words: string[],
  ports: { own: Published; podmans: Published },
): Words {
  const api = join(base, "slirp.sock");
  const hostForward = (host: number, guest: number): string =>
    `perl -MIO::Socket::UNIX -e 'my $s = IO::Socket::UNIX->new(Peer => "${api}") or die; print $s q({"execute":"add_hostfwd","arguments":{"proto":"tcp","host_addr":"0.0.0.0","host_port":${host},"guest_port":${guest}}}); shutdown($s, 1); <$s>'`;
  const mapping = (hostPort: number, containerPort: number): object => ({
    ...{
      host_ip: "",
      container_port: containerPort,
      host_port: hostPort,
      range: 1,
      protocol: "tcp",
    },
  });
  const config = join(base, "rootlessport.json");
  const mappings = [
    mapping(ports.podmans.iperf, inner.iperf),
    mapping(ports.podmans.http, inner.http),
  ];
  const rest = {
    ExitFD: 3,
    ReadyFD: 4,
    TmpDir: base,
    ChildIP: "10.0.2.100",
    ContainerID: "x",
    RootlessCNI: false,
  };
  writeFileSync(config, JSON.stringify({ Mappings: mappings, NetNSPath: "NETNS", ...rest }));
  return {
    needs: "slirp4netns",
    command: inNamespace(base, "slirp", words, [
      `slirp4netns --configure --enable-ipv6 --mtu=65520 -a ${api} $child tap0 >/dev/null 2>&1 & network=$!`,
      isConfigured,
      hostForward(ports.own.iperf, inner.iperf),
      hostForward(ports.own.http, inner.http),
      `mkfifo ${base}/exit; exec 5<>${base}/exit`, // whose end is that of rootlessport
      `sed "s,NETNS,/proc/$child/ns/net," ${config} | ${rootlessport} 3<&5 4>/dev/null 5<&- &`,
    ]),
    isNetwork: (line) => line.startsWith("slirp4netns"),
  };
}

/** Seconds of processor time that the processes of that network have taken so far. */
export function processorSeconds(peer: Peer, read: (path: string) => string | undefined): number {
  const ticksPerSecond = 100; // USER_HZ, on every architecture there is
  let ticks = 0;
  for (const pid of processesLike(peer.isNetwork ?? (() => false))) {
    const fields = read(`/proc/${pid}/stat`)?.split(") ")[1]?.split(" ") ?? [];
    ticks += Number(fields[11] ?? 0) + Number(fields[12] ?? 0);
  }
  return ticks / ticksPerSecond;
}

/** KiB that are its own, of all processes of that network; undefined where nobody may look. */
export function privateKib(
  peer: Peer,
  read: (path: string) => string | undefined,
): number | undefined {
  if (peer.isNetwork === undefined) return undefined;
  let sum = 0;
  for (const pid of processesLike(peer.isNetwork)) {
    const text = read(`/proc/${pid}/smaps_rollup`);
    if (text === undefined) continue;
    for (const [, kib] of text.matchAll(/^Private_\w+:\s+(\d+)/gm)) sum += Number(kib);
  }
  return sum === 0 ? undefined : sum;
}
