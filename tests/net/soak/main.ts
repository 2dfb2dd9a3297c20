/**
 * The soak: `main.ts host SECONDS SEED BASE [EVERY]` is the host, in a namespace of its own, and starts a container in
 * which the same file is `inside`. Everybody serves and visits everybody: out of the container over its TAP, into it over
 * the TAP and over the spliced path, by both versions of IP, TCP and UDP. The report of both is one line of JSON. With
 * EVERY the kernel has no memory for two in so many of the calls by which our process moves bytes.
 */
import { readdirSync, readFileSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { random } from "../../support/random.ts";
import { treeRoot } from "../../support/tree.ts";
import { bareContainer, outside, outside6 } from "../bare-container.ts";
import { emptyReport, type Report, type Route, serve, visit } from "./party.ts";

const outerPort = 7007;
const innerPort = 7008;
/** Of the container's interface: the frames that wait for our process. Fewer than it sends at once: some are lost. */
const queue_frames = 128;

const [role = "", seconds = "3", seed = "1", base = "", every] = process.argv.slice(2);
const end = Date.now() + Number(seconds) * 1000;
const clients = 12;
/** What our process moves bytes by, out of the container and into it. */
const moving = ["sendto", "sendmsg", "sendmmsg", "recvfrom", "recvmsg", "recvmmsg", "splice"];

if (role === "inside") await inside();
else await host();

async function inside(): Promise<void> {
  const report = emptyReport();
  await serve(report, innerPort, random(Number(seed)));
  const narrow = ["ip", "link", "set", "eth0", "txqueuelen", String(queue_frames)];
  if (Bun.spawnSync(narrow).exitCode !== 0)
    report.failures.push("the queue stays as long as it is");
  console.log("ready");
  const routes: Route[] = [
    { name: "out", host: outside, port: outerPort },
    { name: "out, IPv6", host: outside6, port: outerPort },
  ];
  await visit(report, routes, random(Number(seed) + 1), { until: end, clients });
  console.log(JSON.stringify({ ...report, lost: framesLost() }));
  await new Promise(() => setInterval(() => {}, 60_000)); // those outside may not be done yet
}

function framesLost(): number {
  const text = Bun.spawnSync(["ip", "-s", "-j", "link", "show", "eth0"]).stdout.toString();
  const [link] = JSON.parse(text) as { stats64: { tx: { dropped: number } } }[]; // ip(8)'s own
  return link?.stats64.tx.dropped ?? 0;
}

async function host(): Promise<void> {
  const report = emptyReport();
  await serve(report, outerPort, random(Number(seed) + 2));
  const port = { hostPort: innerPort, containerPort: innerPort, count: 1 };
  const ports = ["0.0.0.0", "::"].flatMap((hostAddress) => [
    { protocol: "tcp", hostAddress, ...port },
    { protocol: "udp", hostAddress, ...port },
  ]);
  const words = [process.execPath, import.meta.path, "inside", seconds, seed];
  const shared = [process.execPath, treeRoot];
  const command = bareContainer(base, words, { shared, network: { ports } });
  const child = Bun.spawn(command, { stdio: ["ignore", "pipe", "inherit"] });
  const lines = linesOf(child.stdout);
  const ready = await lines.next();
  if (ready.value !== "ready") throw new Error(`the container says ${ready.value}`);
  const refuser = every === undefined ? undefined : await refuse(every);
  const routes: Route[] = [
    { name: "in", host: outside, port: innerPort },
    { name: "in, IPv6", host: outside6, port: innerPort },
    { name: "spliced", host: "127.0.0.1", port: innerPort },
    { name: "spliced, IPv6", host: "::1", port: innerPort },
  ];
  await visit(report, routes, random(Number(seed) + 3), { until: end, clients });
  const theirs = JSON.parse((await lines.next()).value ?? "") as Report & { lost: number };
  const refused = await refuser?.();
  child.kill("SIGKILL");
  await child.exited;
  await Bun.write(Bun.stdout, `${JSON.stringify({ outer: report, inner: theirs, refused })}\n`);
  process.exit();
}

/** From now on; what is returned ends it and says of each call how many there were, and how many of them were refused. */
async function refuse(nth: string): Promise<() => Promise<Record<string, [number, number]>>> {
  const pid = readdirSync("/proc").find((name) => /^\d+$/.test(name) && isNetwork(name));
  if (pid === undefined) throw new Error("there is no process of the network");
  const file = join(base, "refused");
  const program = join(treeRoot, "tests/support/refuser.pl");
  const words = ["perl", program, file, String(constants.errno.ENOBUFS), nth, pid, ...moving];
  const refuser = Bun.spawn(words, { stdio: ["ignore", "pipe", "inherit"] });
  const { done } = await refuser.stdout.getReader().read();
  if (done) throw new Error("nobody follows the process of the network");
  return async () => {
    refuser.kill("SIGTERM");
    await refuser.exited;
    const lines = readFileSync(file, "utf8").trim().split("\n");
    const fields = lines.map((line) => line.split("\t"));
    return Object.fromEntries(
      fields.map(([call, all, some]) => [call, [Number(all), Number(some)]]),
    );
  };
}

function isNetwork(pid: string): boolean {
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
    return words.includes("native") && words.includes("net");
  } catch {
    return false; // it has just ended
  }
}

/** Lines of the program, out of the helper's events and without them. */
async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string, undefined> {
  let rest = "";
  const decoder = new TextDecoder();
  for await (const bytes of stream) {
    rest += decoder.decode(bytes, { stream: true });
    const lines = rest.split("\n");
    rest = lines.pop() ?? "";
    yield* lines.filter((line) => !line.startsWith('{"event"'));
  }
  return undefined;
}
