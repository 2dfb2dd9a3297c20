/**
 * The private network beside pasta, slirp4netns and podman's rootlessport in one run, out of a container and into it:
 * `npm run bench:net [-- --rounds N --seconds N --only WORD --work]`. As an ordinary user, in namespaces of its own: the world
 * outside is an address of this machine.
 *
 * All networks are there at once, each with the same program inside, and wait: every measure goes round all of them, and
 * round again, so that the machine's moods hit everybody alike. Medians; what is the better the less (us) has goals that
 * are upper ones. What is not installed is left out, and said. A machine that does other things as well makes all but
 * comparisons within one run worth little; --work also prints how much was done in a second of the processor time that
 * the network's own processes took, which depends less on who else is there.
 */
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hostScript, outside, outside6, unshareWords } from "../net/bare-container.ts";
import { median } from "./measure.ts";
import type { Question } from "./net/inside.ts";
import { type Bed, type Measure, measures } from "./net/measures.ts";
import { type Peer, peersOf, privateKib, processorSeconds } from "./net/peers.ts";
import { inner, outer as outerPorts } from "./net/ports.ts";
import { measureStartUp } from "./net/start-up.ts";

const flag = (name: string, otherwise: string): string => {
  const at = process.argv.indexOf(name);
  return at < 0 ? otherwise : (process.argv[at + 1] ?? otherwise);
};
const rounds = Number(flag("--rounds", "3"));
const seconds = Number(flag("--seconds", "1"));
const only = flag("--only", "");
const base = flag("--base", "");

if (base === "") await outer();
else await host();

/** A user namespace and a network with two addresses: what is in there, is the host. */
async function outer(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "tspod-bench-net-"));
  copyFileSync(process.execPath, join(directory, "bun"));
  const again = [process.execPath, import.meta.path, "--base", directory, ...process.argv.slice(2)];
  writeFileSync(join(directory, "resolv.conf"), `nameserver ${outside}\n`);
  const setUp = [
    hostScript,
    // pasta has no IPv6 where the way out has no address for its own link, as without a carrier
    "ip -6 addr add fe80::1/64 dev ext0 nodad",
    "echo 0 0 >/proc/sys/net/ipv4/ping_group_range",
    // where everybody finds the name server that is measured with
    `mount --bind ${directory}/resolv.conf "$(realpath /etc/resolv.conf)"`,
    'exec "$@"',
  ].join("\n");
  const child = Bun.spawn([...unshareWords, "bash", "-ec", setUp, "-", ...again], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  process.exitCode = await child.exited;
  Bun.spawnSync(["chmod", "-R", "u+rwX", directory]); // overlayfs leaves a directory that nobody may enter
  rmSync(directory, { recursive: true, force: true });
  if ("run".includes(only)) console.log(await measureStartUp(rounds * 7));
  process.exit(); // what still holds the event loop is a registry that has been killed
}

async function host(): Promise<void> {
  const server = Bun.spawn(
    [process.execPath, join(import.meta.dir, "net/outside.ts"), outside, outside6],
    {
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  await server.stdout.getReader().read();
  Bun.spawn(["iperf3", "-s", "-p", String(outerPorts.iperf)], {
    stdio: ["ignore", "ignore", "ignore"],
  });
  const build = [join(import.meta.dir, "net/inside.ts"), "--target=bun", `--outdir=${base}`];
  Bun.spawnSync([process.execPath, "build", ...build]);
  const beds = await makeBeds();
  const ways = new Map<string, Map<string, number>[]>();
  for (const measure of measures) {
    if (!measure.name.includes(only)) continue;
    const medians = await measureAll(measure, beds);
    if (measure.ways === undefined || medians === undefined) continue;
    ways.set(measure.ways, [...(ways.get(measure.ways) ?? []), medians]);
  }
  for (const [name, both] of ways) if (both.length === 2) console.log(describeWays(name, both));
  if ("memory".includes(only)) await measureMemory(beds);
  process.exit(); // the namespace of processes goes with us, and everybody in it
}

/** Everybody's program, waiting; first that of this machine itself. */
async function makeBeds(): Promise<Bed[]> {
  const socketOf = (name: string): string => join(base, `${name}.sock`);
  const program = (name: string): string[] => [
    join(base, "bun"),
    join(base, "inside.js"),
    socketOf(name),
  ];
  // published without anybody in between, which nobody in between can be expected to be quicker than
  const itself: Peer = {
    ...{ name: "itself", command: program("itself"), names: outside, published: inner },
  };
  const beds: Bed[] = [];
  for (const peer of [itself, ...peersOf(base, program, join(base, "resolv.conf"))]) {
    if (peer.needs !== undefined && Bun.which(peer.needs) === null) {
      console.log(`${peer.name}: not installed (apt-get install ${peer.needs})`);
      continue;
    }
    beds.push({ peer, ask: await start(peer, socketOf(peer.name)), outside: shell, seconds });
  }
  return beds;
}

async function start(peer: Peer, path: string): Promise<Bed["ask"]> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const arrived = new Promise<Socket>((resolve) => server.once("connection", resolve));
  const child = Bun.spawn(peer.command, { stdio: ["ignore", "ignore", "pipe"] });
  const ended = child.exited.then(async () => {
    throw new Error(`${peer.name} has ended: ${await child.stderr.text()}`);
  });
  const socket = await Promise.race([arrived, ended]);
  ended.catch(() => undefined); // at the end of everything
  return async (question: Question) => {
    const line = new Promise<string>((resolve) => {
      let text = "";
      const take = (data: Buffer): void => {
        text += data.toString();
        if (!text.endsWith("\n")) return;
        socket.off("data", take);
        resolve(text);
      };
      socket.on("data", take);
    });
    socket.write(`${JSON.stringify(question)}\n`);
    const { value, error } = JSON.parse(await line) as { value: string | number; error?: string };
    if (error !== undefined) throw new Error(error);
    return value;
  };
}

async function shell(script: string): Promise<string> {
  const child = Bun.spawn(["bash", "-c", script], { stdio: ["ignore", "pipe", "ignore"] });
  return await child.stdout.text();
}

/** Undefined: it cannot be measured here. */
async function measureAll(measure: Measure, beds: Bed[]): Promise<Map<string, number> | undefined> {
  if (measure.needs !== undefined && Bun.which(measure.needs) === null) {
    console.log(`${measure.name}: no ${measure.needs} (apt-get install ${measure.needs})`);
    return undefined;
  }
  const taking = measure.isPublished === true ? publishing(beds) : beds;
  const values = new Map<string, number[]>(taking.map(({ peer }) => [peer.name, []]));
  const works = new Map<string, number[]>(taking.map(({ peer }) => [peer.name, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (let index = 0; index < taking.length; index += 1) {
      const bed = taking[(index + round) % taking.length];
      if (bed === undefined) continue;
      const before = processorSeconds(bed.peer, read);
      const value = await measure.of(bed).catch(() => Number.NaN);
      values.get(bed.peer.name)?.push(value);
      const taken = processorSeconds(bed.peer, read) - before;
      works.get(bed.peer.name)?.push((value * seconds) / taken);
    }
  }
  const medians = mediansOf(values);
  console.log(describe(measure, medians));
  const hasWork = process.argv.includes("--work") && measure.unit !== "us";
  if (hasWork) console.log(describe({ ...measure, name: "  of work" }, mediansOf(works)));
  return medians;
}

function mediansOf(values: Map<string, number[]>): Map<string, number> {
  return new Map([...values].map(([name, list]) => [name, median(list)]));
}

/** Podman's ports lead to the container whose way out is slirp4netns'. */
function publishing(beds: Bed[]): Bed[] {
  return beds.flatMap((bed) => {
    const { published, byRootlessport } = bed.peer;
    if (published === undefined) return [];
    if (byRootlessport === undefined) return [bed];
    const podmans: Peer = {
      ...bed.peer,
      name: "rootlessport",
      published: byRootlessport,
      isNetwork: (line) => line.includes("rootlessport"),
    };
    return [bed, { ...bed, peer: podmans }];
  });
}

function describe(measure: Measure, medians: Map<string, number>): string {
  const { name, unit } = measure;
  const digits = unit === "Gbit/s" ? 1 : 0;
  const parts = [...medians].map(([who, value]) => `${who} ${value.toFixed(digits)}`.padEnd(20));
  const verdicts = ["pasta", "rootlessport"].flatMap((who) => verdictOf(measure, medians, who));
  return `${name.padEnd(32)}${unit.padEnd(9)} ${parts.join("")} ${verdicts.join("; ")}`;
}

function verdictOf(
  { unit, goal, goalOfRootlessport }: Measure,
  medians: Map<string, number>,
  who: string,
): string[] {
  const valueOf = (name: string): number => medians.get(name) ?? Number.NaN;
  const ratio = valueOf("tspod") / valueOf(who);
  if (Number.isNaN(ratio)) return [];
  const wanted = who === "pasta" ? goal : goalOfRootlessport;
  const isMissed = wanted !== undefined && (unit === "us" ? ratio > wanted : ratio < wanted);
  if (!isMissed) return [`${ratio.toFixed(2)} of ${who}`];
  const ceiling = who === "rootlessport" ? valueOf("itself") / valueOf(who) : Number.NaN;
  const most = Number.isNaN(ceiling) ? "" : ` (nobody in between: ${ceiling.toFixed(2)})`;
  return [`${ratio.toFixed(2)} of ${who}, MISSED${most}`];
}

/** Our worse direction beside the better one of those that have to be left behind, and by how much. */
function describeWays(name: string, both: Map<string, number>[]): string {
  const of = (who: string): number[] => both.map((medians) => medians.get(who) ?? Number.NaN);
  const verdicts = Object.entries({ pasta: 1, slirp4netns: 2 }).flatMap(([who, goal]) => {
    const ratio = Math.min(...of("tspod")) / Math.max(...of(who));
    return Number.isNaN(ratio)
      ? []
      : [`${ratio.toFixed(2)} of ${who}'s better one${ratio < goal ? ", MISSED" : ""}`];
  });
  return `${name}: the worse one ${verdicts.join("; ")}`;
}

/** Of what the network's processes have to themselves while there are that many connections. */
async function measureMemory(beds: Bed[]): Promise<void> {
  const count = 1000;
  const parts: string[] = [];
  for (const { peer, ask } of beds) {
    const target = { address: outside, port: outerPorts.echo };
    await ask({ op: "hold", ...target, count });
    const kib = privateKib(peer, read);
    await ask({ op: "hold", ...target, count: 0 });
    if (kib !== undefined) parts.push(`${peer.name} ${(kib / 1024).toFixed(1)}`.padEnd(20));
  }
  console.log(`${`${count} connections`.padEnd(32)}${"MiB".padEnd(9)} ${parts.join("")}`);
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined; // it has ended, or nobody may look
  }
}
