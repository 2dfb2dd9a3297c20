/**
 * The runtimes by themselves: `tspod oci run`, crun and runc with one bundle of one static program, where all three can
 * work on any host: as root of a user namespace, with cgroup v2 in its usual place.
 */
import { chmodSync, copyFileSync, mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { command, interleave, type Measured, median } from "./measure.ts";

export interface Bare extends Measured {
  /** The largest resident size of a process of it, in KiB; its child's part until the program is executed included. */
  peakKib: number;
}

interface Work {
  directory: string;
  rounds: number;
  runtimes: [name: string, file: string][];
}

const namespaces = "--user --map-auto --map-root-user --mount --cgroup --pid --fork --mount-proc";
const mounts = 'mount -t cgroup2 cgroup2 /sys/fs/cgroup 2>/dev/null; exec "$@"';

/** Ours first; those that are not installed are left out. */
export async function measureBare(
  tspod: string,
  directory: string,
  rounds: number,
  environment: Record<string, string>,
): Promise<Bare[]> {
  const busybox = Bun.which("busybox");
  if (busybox === null) throw new Error("busybox is not installed (Debian: busybox-static)");
  const own = join(directory, "tspod-oci");
  symlinkSync(tspod, own);
  const bundle = join(directory, "bundle");
  mkdirSync(join(bundle, "rootfs/bin"), { recursive: true });
  copyFileSync(busybox, join(bundle, "rootfs/bin/true"));
  chmodSync(join(bundle, "rootfs/bin/true"), 0o755);
  await command([own, "spec", "--bundle", bundle], environment);
  await useTrue(join(bundle, "config.json"));
  const peers = ["crun", "runc"].flatMap((name): [string, string][] => {
    const file = Bun.which(name, { PATH: `${environment.PATH}:/usr/sbin:/sbin` });
    return file === null ? [] : [[name, file]];
  });
  const work: Work = { directory, rounds, runtimes: [["tspod-oci", own], ...peers] };
  const there = ["unshare", ...namespaces.split(" "), "sh", "-c", mounts, "sh"];
  const words = [...there, process.execPath, import.meta.path, JSON.stringify(work)];
  return JSON.parse(await command(words, environment)) as Bare[]; // written below
}

async function useTrue(path: string): Promise<void> {
  const config = JSON.parse(await Bun.file(path).text()) as { process: object }; // of our own making
  Object.assign(config.process, { args: ["/bin/true"], terminal: false });
  Object.assign(config, { ociVersion: "1.0.2" }); // crun 1.8.1 knows no later one
  await Bun.write(path, JSON.stringify(config));
}

/** In the namespaces. */
async function measureHere({ directory, rounds, runtimes }: Work): Promise<Bare[]> {
  const environment = { PATH: process.env.PATH ?? "" };
  const words = ([name, file]: [string, string]): string[] => {
    const bundle = ["--bundle", join(directory, "bundle")];
    return [file, "--root", join(directory, `${name}-root`), "run", ...bundle, `bench-${name}`];
  };
  const candidates = runtimes.map((runtime) => ({
    name: runtime[0],
    run: async () => void (await command(words(runtime), environment)),
  }));
  const measured = await interleave(candidates, rounds);
  const all: Bare[] = [];
  for (const [index, runtime] of runtimes.entries()) {
    const peaks: number[] = [];
    for (let i = 0; i < 5; i += 1) peaks.push(await peakKib(words(runtime), environment));
    all.push({ ...(measured[index] as Measured), peakKib: median(peaks) }); // one of each
  }
  return all;
}

/**
 * What wait4(2) says of a process, asked by a parent that is itself small: a child's peak counts from before execve.
 * busybox takes the kernel's KiB for pages of 4.
 */
async function peakKib(words: string[], environment: Record<string, string>): Promise<number> {
  const child = Bun.spawn(["busybox", "time", "-f", "%M", ...words], {
    ...{ env: environment, stdin: "ignore", stdout: "ignore", stderr: "pipe" },
  });
  const stderr = await child.stderr.text();
  const peak = Number(stderr.trim().split("\n").at(-1));
  if ((await child.exited) !== 0 || !(peak > 0)) throw new Error(`${words.join(" ")}: ${stderr}`);
  return peak / 4;
}

if (import.meta.main) {
  const work = JSON.parse(process.argv[2] ?? "") as Work; // from above
  process.stdout.write(JSON.stringify(await measureHere(work)));
}
