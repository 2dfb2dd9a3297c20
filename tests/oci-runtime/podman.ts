/** Debian's podman with our runtime under it: a store, a configuration and a runtime directory of its own. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hostMapping } from "../../src/host/index.ts";
import { writeBusyboxImages } from "../support/busybox-images.ts";
import { program, type Requirement } from "../support/requirements.ts";
import { tspodFile } from "../support/world.ts";
import type { Result } from "./runtime.ts";

export const podmanPrograms: Requirement[] = [
  program("podman"),
  program("conmon"),
  program("busybox", "busybox-static"),
  () => hostMapping(process.env).limitation,
];

/** What the image is called. */
export const image = "localhost/box";

export class Podman implements AsyncDisposable {
  readonly base = mkdtempSync(join(tmpdir(), "tspod-pod-")); // short: paths of sockets lie below it
  readonly runtime = join(this.base, "tspod-oci");
  readonly environment: Record<string, string>;

  private constructor() {
    const configuration = join(this.base, ".config/containers");
    mkdirSync(configuration, { recursive: true });
    mkdirSync(join(this.base, "run"), { mode: 0o700 });
    symlinkSync(tspodFile, this.runtime);
    const write = (name: string, text: string) => writeFileSync(join(configuration, name), text);
    write("policy.json", '{"default":[{"type":"insecureAcceptAnything"}]}');
    write("storage.conf", '[storage]\ndriver = "overlay"\n');
    write("containers.conf", containersConf(this.runtime));
    this.environment = {
      ...{ HOME: this.base, XDG_RUNTIME_DIR: join(this.base, "run"), TERM: "xterm" },
      PATH: process.env.PATH ?? "/usr/bin:/bin",
    };
  }

  /** With the image in its store. */
  static async open(): Promise<Podman> {
    const podman = new Podman();
    const images = join(podman.base, "images");
    await writeBusyboxImages(images);
    const id = await podman.ok("pull", "--quiet", "oci:images/tiny");
    await podman.ok("tag", id, image);
    return podman;
  }

  async podman(...words: string[]): Promise<Result> {
    const child = Bun.spawn(["podman", ...words], {
      ...{ cwd: this.base, env: this.environment },
      ...{ stdin: "ignore", stdout: "pipe", stderr: "pipe" },
    });
    const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
    await child.exited;
    return { exitCode: child.exitCode, stdout, stderr };
  }

  async ok(...words: string[]): Promise<string> {
    const { exitCode, stdout, stderr } = await this.podman(...words);
    if (exitCode !== 0) throw new Error(`podman ${words.join(" ")}: ${exitCode}\n${stderr}`);
    return stdout.trim();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.podman("rm", "--all", "--force", "--time", "0");
    await this.podman("unshare", "rm", "-rf", join(this.base, ".local"), join(this.base, "store"));
    const pause = join(this.base, "run/libpod/tmp/pause.pid");
    process.kill(Number(readFileSync(pause, "utf8")), "SIGKILL"); // it keeps the user namespace
    rmSync(this.base, { recursive: true, force: true });
  }
}

/** As under systemd, but for who makes cgroups: nobody, where nothing is delegated. */
function containersConf(runtime: string): string {
  return `[engine]
runtime = "tspod-oci"
runtime_supports_nocgroup = ["tspod-oci"]
runtime_supports_json = ["tspod-oci"]
cgroup_manager = "cgroupfs"
events_logger = "file"
[engine.runtimes]
tspod-oci = ["${runtime}"]
`;
}
