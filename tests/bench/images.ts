/**
 * `npm run bench:images`: a large image of four layers pulled and pushed, beside podman: same machine, same user, same
 * registry, fresh stores. Also the pull of what is present, and ten pulls at once, whose bytes are counted.
 * Options: --rounds N, --megabytes N (of files), --files N, --mapped-only, --present-only, --listed-only.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { connect, createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { print } from "../driver/steps.ts";
import { startRegistry } from "../support/debian-registry.ts";
import { type Entry, writeLayout } from "../support/oci-image.ts";
import { makeWorld, mirrorOfDockerHub, tspodFile, type World } from "../support/world.ts";
import { until } from "../support/wait.ts";
import { treeRoot } from "../support/tree.ts";
import { measureListed } from "./listed.ts";
import { measureMapped } from "./mapped.ts";
import { command, median } from "./measure.ts";
import { unpackWithTar } from "./unpack.ts";

const option = (name: string, otherwise: number): number =>
  Number(/^\d+$/.exec(process.argv[process.argv.indexOf(name) + 1] ?? "") ?? otherwise);

const rounds = option("--rounds", 3);
const megabytes = option("--megabytes", 500);
const fileCount = option("--files", 20_000);
const layerCount = 4;
/** A static program, so that containers of the image can be run. */
const helloFile = join(treeRoot, "zig/zig-out/bin/hello");
/** How often the memory of a process is looked at: what it has at most, the kernel remembers until it ends. */
const lookIntervalMs = 10;

interface Times {
  pull: number[];
  push: number[];
  peakKib: number[];
}

await main();
process.exit(); // what still holds the event loop is a registry that has been killed

async function main(): Promise<void> {
  if (process.argv.includes("--listed-only")) return await measureListed();
  using source = await startRegistry();
  using target = await startRegistry();
  await using counter = await countingProxy(source.address);
  const image = `${counter.address}/library/large:latest`;
  const blobBytes = await fill(source.address);
  if (process.argv.includes("--present-only")) return await measurePresent(image);
  if (process.argv.includes("--mapped-only")) return await measureMapped(image, rounds);
  const [ours, theirs] = [emptyTimes(), emptyTimes()];
  const tar: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const to = `${target.address}/round-${process.pid}-${round}`;
    await measureTspod(image, `${to}/tspod:1`, ours);
    if (Bun.which("podman") !== null) await measurePodman(image, `${to}/podman:1`, theirs);
    const tarMs = await unpackWithTar(image);
    if (tarMs !== undefined) tar.push(tarMs);
  }
  print(`${tspodFile}, ${megabytes} MB in ${fileCount} files, medians of ${rounds} rounds\n`);
  report("cold pull", ours.pull, theirs.pull);
  const floor = median(ours.pull) / median(tar);
  if (tar.length > 0)
    print(
      `  curl | gzip -dc | tar -x: ${median(tar).toFixed(0)} ms  ratio ${floor.toFixed(2)} (goal 1)`,
    );
  report("push to another registry", ours.push, theirs.push);
  print(`peak memory: pull and push ${Math.max(...ours.peakKib) >> 10} MB, podman ${peak(theirs)}`);
  await measureMapped(image, rounds);
  await measurePresent(image);
  await measureListed();
  await measureTen(image, counter, blobBytes);
}

function emptyTimes(): Times {
  return { pull: [], push: [], peakKib: [] };
}

function peak({ peakKib }: Times): string {
  return peakKib.length === 0 ? "not installed" : `${Math.max(...peakKib) >> 10} MB`;
}

function report(name: string, ours: number[], theirs: number[]): void {
  const [mine, podmans] = [median(ours), median(theirs)];
  const ratio =
    theirs.length === 0
      ? ""
      : `  podman ${podmans.toFixed(0)} ms  ratio ${(mine / podmans).toFixed(2)} (goal 0.50)`;
  print(`${name}: ${mine.toFixed(0)} ms${ratio}`);
}

/** Bytes of its layers. Contents compress to about a half, as programs do. */
async function fill(address: string): Promise<number> {
  const directory = join(process.env.TMPDIR ?? "/tmp", `tspod-bench-${process.pid}`);
  mkdirSync(directory, { recursive: true });
  try {
    const size = Math.floor((megabytes * 1e6) / fileCount);
    const layers: Entry[][] = Array.from({ length: layerCount }, (_, layer) => {
      const files = Math.floor(fileCount / layerCount);
      return Array.from({ length: files }, (__, i) => ({
        path: `layer-${layer}/directory-${i % 100}/file-${i}`,
        content: halfRandom(size, layer * files + i),
      }));
    });
    layers[0]?.push({ path: "hello", content: readFileSync(helloFile), mode: 0o755 });
    await writeLayout(directory, [{ layers, config: { Cmd: ["sh"] } }]);
    await Bun.$`skopeo --insecure-policy copy --quiet --dest-tls-verify=false \
      oci:${directory}:latest docker://${address}/library/large:latest`.quiet();
    const sizes = await Bun.$`du -sb ${join(directory, "blobs")}`.quiet().text();
    return Number.parseInt(sizes);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function halfRandom(sizeBytes: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(sizeBytes);
  crypto.getRandomValues(bytes.subarray(0, Math.min(sizeBytes >> 1, 65_536)));
  bytes[0] = seed & 0xff;
  return bytes;
}

/** Milliseconds, and the most memory the process had (VmHWM: getrusage(2) would count what we had when it was born). */
async function timed(
  words: string[],
  environment: Record<string, string>,
): Promise<[number, number]> {
  const started = performance.now();
  const child = Bun.spawn(words, {
    ...{ env: environment, stdin: "ignore", stdout: "ignore", stderr: "pipe" },
  });
  let peakKib = 0;
  const timer = setInterval(() => {
    try {
      const status = readFileSync(`/proc/${child.pid}/status`, "utf8");
      peakKib = Number(/^VmHWM:\s*(\d+) kB/m.exec(status)?.[1] ?? peakKib);
    } catch {
      // it has ended
    }
  }, lookIntervalMs);
  const stderr = await child.stderr.text();
  const exitCode = await child.exited;
  const elapsedMs = performance.now() - started;
  clearInterval(timer);
  if (exitCode !== 0) throw new Error(`${words.join(" ")}: ${stderr}`);
  return [elapsedMs, peakKib];
}

async function measureTspod(image: string, to: string, times: Times): Promise<void> {
  await using world = await makeWorld({ registriesConf: mirrorOfDockerHub("127.0.0.1:9") });
  const [pullMs, pullKib] = await timed([tspodFile, "pull", "-q", image], world.environment);
  const [pushMs, pushKib] = await timed([tspodFile, "push", "-q", image, to], world.environment);
  times.pull.push(pullMs);
  times.push.push(pushMs);
  times.peakKib.push(pullKib, pushKib);
}

async function measurePodman(image: string, to: string, times: Times): Promise<void> {
  await using world = await makeWorld({ registriesConf: "" });
  const runtime = join(world.home, "podman-run");
  mkdirSync(runtime, { mode: 0o700 });
  const environment = { ...world.environment, XDG_RUNTIME_DIR: runtime };
  const store = ["--root", join(world.home, "podman"), "--runroot", join(runtime, "root")];
  const words = ["podman", ...store, "--storage-driver", "overlay", "--cgroup-manager", "cgroupfs"];
  const [pullMs, pullKib] = await timed(
    [...words, "pull", "-q", "--tls-verify=false", image],
    environment,
  );
  const push = ["push", "-q", "--tls-verify=false", image, to];
  const [pushMs, pushKib] = await timed([...words, ...push], environment);
  times.pull.push(pullMs);
  times.push.push(pushMs);
  times.peakKib.push(pullKib, pushKib);
  await command([...words, "system", "migrate"], environment); // ends the process that keeps its user namespace
}

async function measurePresent(image: string): Promise<void> {
  await using world = await makeWorld({ registriesConf: "" });
  await world.ok("pull", "-q", image);
  const times: number[] = [];
  for (let i = 0; i < 11; i += 1) {
    times.push((await timed([tspodFile, "pull", "-q", image], world.environment))[0]);
  }
  print(`pull of what is present: ${median(times).toFixed(1)} ms (goal 40)`);
  const [removedMs] = await timed([tspodFile, "rmi", image], world.environment);
  const started = performance.now();
  await until("the space is free", () => isEmpty(join(world.root, "data/trash")), {
    timeoutMs: 120_000,
  });
  const freedMs = performance.now() - started;
  print(`rmi: ${removedMs.toFixed(1)} ms (goal 50), space free ${freedMs.toFixed(0)} ms later`);
}

function isEmpty(directory: string): boolean {
  return readdirSync(directory).length === 0;
}

async function measureTen(image: string, counter: Counter, blobBytes: number): Promise<void> {
  await using world: World = await makeWorld({ registriesConf: "" });
  counter.bytes = 0;
  const started = performance.now();
  await Promise.all(
    Array.from({ length: 10 }, () => timed([tspodFile, "pull", "-q", image], world.environment)),
  );
  const elapsedMs = performance.now() - started;
  const share = counter.bytes / blobBytes;
  print(
    `ten at once: ${elapsedMs.toFixed(0)} ms, ${share.toFixed(3)} of one image's bytes (goal 1)`,
  );
}

interface Counter extends AsyncDisposable {
  address: string;
  /** That came from the registry. */
  bytes: number;
}

async function countingProxy(address: string): Promise<Counter> {
  const { hostname, port } = new URL(`http://${address}`);
  const server = createServer((socket) => {
    const other = connect(Number(port), hostname);
    other.on("data", (chunk) => void (counter.bytes += chunk.length));
    other.on("error", () => socket.destroy());
    socket.on("error", () => other.destroy());
    other.pipe(socket);
    socket.pipe(other);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const bound = server.address() as AddressInfo; // listening on TCP
  const counter: Counter = {
    ...{ address: `127.0.0.1:${bound.port}`, bytes: 0 },
    [Symbol.asyncDispose]: async () => void server.close(),
  };
  return counter;
}
