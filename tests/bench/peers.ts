/** How podman and crun are run beside us, as the same ordinary user, and with which image. */
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { command } from "./measure.ts";

export interface Podman {
  /** Its command line up to the subcommand. */
  words: string[];
  environment: Record<string, string>;
  /** Its containers and images. */
  remove(): Promise<void>;
}

/** Podman with a store of its own in `directory`, holding the image; undefined when it is not installed. */
export async function preparePodman(
  directory: string,
  image: string,
  environment: Record<string, string>,
): Promise<Podman | undefined> {
  if (Bun.which("podman") === null) return undefined;
  const runtime = join(directory, "podman-run");
  mkdirSync(runtime, { recursive: true, mode: 0o700 });
  const store = ["--root", join(directory, "podman-store"), "--runroot", join(runtime, "root")];
  const choices = ["--storage-driver", "overlay", "--cgroup-manager", "cgroupfs"]; // its defaults under systemd
  const words = ["podman", ...store, ...choices, "--events-backend", "file"];
  if (Bun.which("crun") !== null && hasUnifiedCgroups()) words.push("--runtime", "crun");
  else if (Bun.which("runc") !== null) words.push("--runtime", "runc");
  const own = { ...environment, XDG_RUNTIME_DIR: runtime };
  await command([...words, "pull", "-q", "--tls-verify=false", image], own);
  const remove = async (): Promise<void> => {
    await command([...words, "rm", "-af", "-t", "0"], own);
    await command([...words, "rmi", "-af"], own);
    const pause = Number(readFileSync(join(runtime, "libpod/tmp/pause.pid"), "utf8"));
    process.kill(pause, "SIGKILL"); // the process that keeps its user namespace
  };
  return { words, environment: own, remove };
}

/** crun refuses the hybrid layout of cgroup v1 and v2. */
export function hasUnifiedCgroups(): boolean {
  return existsSync("/sys/fs/cgroup/cgroup.controllers");
}
