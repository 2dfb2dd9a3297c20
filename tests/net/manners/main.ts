/**
 * `main.ts BASE`, in a namespace of its own, is a host, a router whose way on is narrow, and who is behind it. Containers
 * do what inside.pl has, one each, all at once; what came of it is one line of JSON: see manners.test.ts.
 */
import { createSocket } from "node:dgram";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { treeRoot } from "../../support/tree.ts";
import { until } from "../../support/wait.ts";
import { bareContainer, outside, outside6 } from "../bare-container.ts";

const [base = "", role = "host"] = process.argv.slice(2);
const echoPort = 7007;
const streamPort = 7008;
const silentPort = 7009;
const urgentPort = 7010;
const groupPort = 5353;
const narrow_bytes = 1300;
const far = "203.0.113.2";
const far6 = "2001:db8:2::2";
const streamed_bytes = 4 << 20;

if (role === "far") await echoDatagrams([far, far6]);
else await host();

async function host(): Promise<void> {
  await narrowWay();
  await echoDatagrams([outside, outside6]);
  await serve(echoPort, (client) => client.pipe(client));
  await serve(streamPort, (client) => client.end("abcdefgh".repeat(streamed_bytes / 8)));
  await serve(silentPort, () => {});
  const heard = await hearGroup();
  const urgent = await urgentServer();
  const program = join(import.meta.dir, "inside.pl");
  const names = ["urgent", "alive", "multicast", "down", "crowd"];
  const ports = { urgent: urgentPort, alive: silentPort, multicast: groupPort, down: streamPort };
  const simple = names.map(async (name) => {
    const port = ports[name as keyof typeof ports] ?? echoPort;
    return [name, await inside(name, ["perl", program, name, outside, String(port)])] as const;
  });
  const results = Object.fromEntries([
    ...(await Promise.all(simple)),
    ["urgentHeard", await urgent.heard],
    ["groupHeard", heard.length],
    ["full", await full(program)],
    ["large", await inside("large", ["perl", program, "large", far, String(echoPort)])],
    ["large6", await inside("large6", ["perl", program, "large", far6, String(echoPort)])],
    ["published", await published(program)],
    ["hops", await hops()],
  ]) as Record<string, unknown>;
  await Bun.write(Bun.stdout, `${JSON.stringify(results)}\n`);
  process.exit();
}

async function full(program: string): Promise<string> {
  if (process.env["TSPOD_CROWD"] === undefined) return ""; // manners.test.ts says so
  return await inside("full", ["perl", program, "full", outside, String(echoPort)]);
}

/** What `words` print in a container of their own. */
async function inside(
  name: string,
  words: string[],
  more: { network?: Record<string, unknown>; capabilities?: string[] } = {},
): Promise<string> {
  const script = 'ulimit -n "$(ulimit -Hn)"; exec "$@"';
  const all = ["bash", "-c", script, "-", ...words];
  const command = bareContainer(join(base, name), all, { shared: [treeRoot], ...more });
  const child = Bun.spawn(command, { stdio: ["ignore", "pipe", "inherit"] });
  return await child.stdout.text();
}

async function serve(port: number, greet: (client: Socket) => unknown): Promise<void> {
  const server = createServer({ allowHalfOpen: true }, (client) => {
    client.on("error", () => {}); // it has gone
    greet(client);
  });
  await new Promise<void>((resolve) =>
    server.listen({ port, host: outside, backlog: 4096 }, resolve),
  );
}

async function echoDatagrams(addresses: string[]): Promise<void> {
  for (const address of addresses) {
    for (const port of [echoPort, groupPort]) {
      const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
      socket.on("error", () => {}); // who has asked is gone
      socket.on("message", (data, from) => socket.send(data, from.port, from.address));
      await new Promise<void>((resolve) => void socket.bind(port, address, resolve));
    }
  }
  if (role === "far") console.log("ready");
}

/** What comes for everybody who wants to hear it. */
async function hearGroup(): Promise<Buffer[]> {
  const heard: Buffer[] = [];
  const socket = createSocket({ type: "udp4", reuseAddr: true });
  socket.on("message", (data) => void heard.push(data));
  await new Promise<void>((resolve) => void socket.bind(groupPort, "224.0.0.251", resolve));
  socket.addMembership("224.0.0.251", outside);
  return heard;
}

/** Listens, and tells what of the first client's is urgent, and what is not. Then says something urgent itself. */
async function urgentServer(): Promise<{ heard: Promise<string> }> {
  const script = [
    "use Socket; alarm 60; socket(my $l, AF_INET, SOCK_STREAM, 0); setsockopt($l, SOL_SOCKET, SO_REUSEADDR, 1);",
    `bind($l, pack_sockaddr_in(${urgentPort}, inet_aton("${outside}"))) or die $!; listen($l, 8);`,
    'print STDERR "ready"; close STDERR; accept(my $s, $l);',
    'vec(my $set = "", fileno($s), 1) = 1; select(undef, undef, $set, 30); recv($s, my $urgent, 1, MSG_OOB);',
    'my ($text, $part) = (""); $text .= $part while sysread($s, $part, 100);',
    'send($s, "abc", 0); send($s, "!", MSG_OOB); send($s, "def", 0); shutdown($s, 1);',
    'print "$urgent $text"; sysread($s, $part, 1)',
  ].join(" ");
  const child = Bun.spawn(["perl", "-e", script], { stdio: ["ignore", "pipe", "pipe"] });
  const said = await child.stderr.text();
  if (said !== "ready") throw new Error(`the server of urgent data: ${said}`);
  return { heard: child.stdout.text() };
}

/** Urgent data through a published port, over its spliced path and over the TAP. */
async function published(program: string): Promise<object> {
  const port = 7020;
  const words = ["perl", program, "serve", "0.0.0.0", String(port)];
  const forward = { hostAddress: "0.0.0.0", hostPort: port, containerPort: port, count: 1 };
  const serving = inside("serve", words, { network: { ports: [{ protocol: "tcp", ...forward }] } });
  const answers: string[] = [];
  for (const address of ["127.0.0.1", outside]) {
    // The port is bound before the program runs: until that listens, a client is reset.
    answers.push(await until("it listens", async () => (await ask(address)) || undefined));
  }
  return { answers, heard: await serving };

  async function ask(address: string): Promise<string> {
    const words = ["perl", program, "urgent", address, String(port)];
    return await Bun.spawn(words, { stdio: ["ignore", "pipe", "ignore"] }).stdout.text();
  }
}

/** As traceroute(8) sees it. */
async function hops(): Promise<string[]> {
  if (Bun.which("busybox") === null) return [];
  const words = ["busybox", "traceroute", "-n", "-q1", "-w5", "-m4", outside];
  const text = await inside("hops", words, { capabilities: ["CAP_NET_RAW"] });
  return [...text.matchAll(/^ +\d+ +(\S+)/gm)].map(([, address]) => address ?? "");
}

/** host - router = far, where = takes packets of 1300 bytes only. */
async function narrowWay(): Promise<void> {
  const script = [
    "mount -t tmpfs none /run; mkdir /run/netns; ip netns add router; ip netns add far",
    "ip link add r0 type veth peer name r1 netns router",
    `ip -n router link add f0 mtu ${narrow_bytes} type veth peer name f1 mtu ${narrow_bytes} netns far`,
    "ip addr add 198.51.100.1/24 dev r0; ip addr add 2001:db8:1::1/64 dev r0 nodad; ip link set r0 up",
    "ip -n router addr add 198.51.100.2/24 dev r1; ip -n router addr add 2001:db8:1::2/64 dev r1 nodad",
    "ip -n router addr add 203.0.113.1/24 dev f0; ip -n router addr add 2001:db8:2::1/64 dev f0 nodad",
    "ip -n router link set r1 up; ip -n router link set f0 up; ip -n far link set f1 up; ip -n far link set lo up",
    `ip -n far addr add ${far}/24 dev f1; ip -n far addr add ${far6}/64 dev f1 nodad`,
    "ip -n far route add default via 203.0.113.1; ip -n far -6 route add default via 2001:db8:2::1",
    `ip route add 203.0.113.0/24 via 198.51.100.2; ip -6 route add 2001:db8:2::/64 via 2001:db8:1::2`,
    "nsenter --net=/run/netns/router sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1",
  ].join("\n");
  const made = Bun.spawnSync(["bash", "-ec", script], { stdio: ["ignore", "inherit", "inherit"] });
  if (made.exitCode !== 0) throw new Error("the way cannot be made");
  const words = [
    "nsenter",
    "--net=/run/netns/far",
    process.execPath,
    import.meta.path,
    base,
    "far",
  ];
  const child = Bun.spawn(words, { stdio: ["ignore", "pipe", "inherit"] });
  await child.stdout.getReader().read();
}
