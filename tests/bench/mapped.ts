/**
 * The first container of a large image with another map than the usual one, beside podman: `run --userns=keep-id` as an
 * id that no container has had yet, so that each round is a first one. Then the second container of the same map.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { print } from "../driver/steps.ts";
import { makeWorld, tspodFile } from "../support/world.ts";
import { command, median } from "./measure.ts";

const program = "/hello";

/** `image` has `program` in it. */
export async function measureMapped(image: string, rounds: number): Promise<void> {
  await using world = await makeWorld({ registriesConf: "" });
  const run = (uid: number): string[] => ["run", "--rm", "--network", "none", ...keepId(uid)];
  await world.ok("pull", "-q", image);
  const podman = Bun.which("podman") === null ? undefined : await preparePodman(world, image);
  const times = { first: [] as Cost[], second: [] as Cost[], podman: [] as Cost[] };
  for (let round = 0; round < rounds; round += 1) {
    const words = [...run(2000 + round), image, program];
    times.first.push(await timed([tspodFile, ...words], world.environment));
    times.second.push(await timed([tspodFile, ...words], world.environment));
    if (podman !== undefined)
      times.podman.push(await timed([...podman.words, ...words], podman.environment));
  }
  await podman?.end();
  report("first run with --userns=keep-id", times.first, times.podman, "goal 0.25");
  report("second run with the same map", times.second, [], "");
}

function report(name: string, ours: Cost[], theirs: Cost[], goal: string): void {
  const of = (costs: Cost[], key: keyof Cost): number => median(costs.map((cost) => cost[key]));
  const words = (costs: Cost[]): string =>
    `${of(costs, "wallMs").toFixed(0)} ms (CPU ${of(costs, "cpuMs").toFixed(0)})`;
  const ratio = (key: keyof Cost): string => (of(ours, key) / of(theirs, key)).toFixed(2);
  const podman =
    theirs.length === 0
      ? ""
      : `  podman ${words(theirs)}  ratio ${ratio("wallMs")} (CPU ${ratio("cpuMs")}, ${goal})`;
  print(`${name}: ${words(ours)}${podman}`);
}

function keepId(uid: number): string[] {
  return [`--userns=keep-id:uid=${uid},gid=${uid}`];
}

async function preparePodman(
  { home, environment }: { home: string; environment: Record<string, string> },
  image: string,
): Promise<{ words: string[]; environment: Record<string, string>; end(): Promise<void> }> {
  const runtime = join(home, "podman-run");
  mkdirSync(runtime, { mode: 0o700 });
  const own = { ...environment, XDG_RUNTIME_DIR: runtime };
  const store = ["--root", join(home, "podman"), "--runroot", join(runtime, "root")];
  const choices = ["--storage-driver", "overlay", "--cgroup-manager", "cgroupfs"];
  const words = ["podman", ...store, ...choices, "--cgroups=disabled", "--runtime", "runc"];
  const plain = words.filter((word) => !word.startsWith("--cgroups="));
  await command([...plain, "pull", "-q", "--tls-verify=false", image], own);
  return {
    ...{ words: plain, environment: own },
    end: async () => void (await command([...plain, "system", "migrate"], own)), // ends its user namespace
  };
}

interface Cost {
  wallMs: number;
  /** Of the process and all that it has waited for. */
  cpuMs: number;
}

async function timed(words: string[], environment: Record<string, string>): Promise<Cost> {
  const started = performance.now();
  const child = Bun.spawn(words, {
    ...{ env: environment, stdin: "ignore", stdout: "ignore", stderr: "pipe" },
  });
  const stderr = await child.stderr.text();
  if ((await child.exited) !== 0) throw new Error(`${words.join(" ")}: ${stderr}`);
  const wallMs = performance.now() - started;
  return { wallMs, cpuMs: Number(child.resourceUsage()?.cpuTime.total ?? 0) / 1000 };
}
