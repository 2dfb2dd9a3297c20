/** The OCI runtime as an engine sees it: a bundle on disk, a root directory of its own, command lines. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { chmodSync, cpSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RuntimeSpec } from "../../src/oci/runtime-spec.ts";
import { program, testWith } from "../support/requirements.ts";
import { until } from "../support/wait.ts";
import { tspodFile } from "../support/world.ts";

export const runtimeTest = testWith(program("busybox", "busybox-static"));

export interface Result {
  exitCode: number | null;
  stdout: string;
  stderr: string;
}

export interface State {
  ociVersion: string;
  id: string;
  pid: number;
  status: string;
  bundle: string;
  annotations?: Record<string, string>;
}

type Change = (spec: RuntimeSpec) => void;

export interface Started {
  process: Bun.Subprocess<"pipe", "pipe", "pipe">;
  result: Promise<Result>;
}

/** A root directory, bundles, and whatever runs from them; disposing insists that nothing of it is left. */
export class Runtime implements AsyncDisposable {
  readonly base = mkdtempSync(join(tmpdir(), "tspod-oci-"));
  readonly root = join(this.base, "root");
  readonly bundle = join(this.base, "bundle");
  private commands = 0;
  readonly environment = { PATH: process.env.PATH ?? "", HOME: this.base };

  /** With one bundle that runs `args`. */
  constructor(args: string[] = ["true"], change: Change = () => undefined) {
    this.makeBundle(this.bundle, args, change);
  }

  makeBundle(directory: string, args: string[], change: Change = () => undefined): void {
    const rootfs = join(directory, "rootfs");
    for (const name of ["bin", "etc", "tmp", "proc", "sys", "dev"]) {
      mkdirSync(join(rootfs, name), { recursive: true });
    }
    chmodSync(join(rootfs, "tmp"), 0o1777);
    const busybox = Bun.which("busybox") ?? "/bin/busybox";
    cpSync(busybox, join(rootfs, "bin/busybox"), { dereference: true });
    for (const name of Bun.spawnSync([busybox, "--list"]).stdout.toString().trim().split("\n")) {
      if (name !== "busybox") symlinkSync("busybox", join(rootfs, "bin", name));
    }
    const spec = specFor(args);
    change(spec);
    writeFileSync(join(directory, "config.json"), JSON.stringify(spec));
  }

  start(words: string[], options: { environment?: Record<string, string> } = {}): Started {
    const child = Bun.spawn([tspodFile, "oci", "--root", this.root, ...words], {
      cwd: this.base,
      env: { ...this.environment, ...options.environment },
      stdin: "pipe",
      stdout: "pipe",
      stderr: "pipe",
    });
    const finish = async (): Promise<Result> => {
      const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
      await child.exited;
      return { exitCode: child.exitCode, stdout, stderr };
    };
    return { process: child, result: finish() };
  }

  /** One command, to its end. A created container has our streams, so they are files. */
  async oci(...words: string[]): Promise<Result> {
    const number = ++this.commands;
    const [out, err] = [join(this.base, `out-${number}`), join(this.base, `err-${number}`)];
    const child = Bun.spawn([tspodFile, "oci", "--root", this.root, ...words], {
      cwd: this.base,
      env: this.environment,
      stdin: "ignore",
      stdout: Bun.file(out),
      stderr: Bun.file(err),
    });
    await child.exited;
    const text = async (path: string): Promise<string> => await Bun.file(path).text();
    return { exitCode: child.exitCode, stdout: await text(out), stderr: await text(err) };
  }

  async ok(...words: string[]): Promise<string> {
    const { exitCode, stdout, stderr } = await this.oci(...words);
    if (exitCode !== 0) throw new Error(`oci ${words.join(" ")}: ${exitCode}\n${stderr}`);
    return stdout;
  }

  async create(id: string, ...options: string[]): Promise<void> {
    await this.ok("create", "--bundle", this.bundle, ...options, id);
  }

  async state(id: string): Promise<State> {
    return JSON.parse(await this.ok("state", id)) as State; // the runtime's own
  }

  async untilStatus(id: string, status: string): Promise<State> {
    return await until(`${id} is ${status}`, async () => {
      const { exitCode, stdout } = await this.oci("state", id);
      const state = exitCode === 0 ? (JSON.parse(stdout) as State) : undefined; // the runtime's own
      return state?.status === status ? state : undefined;
    });
  }

  /** The directory of compiled filters beside them is none. */
  containers(): string[] {
    const names = existsSync(this.root) ? readdirSync(this.root) : [];
    return names.filter((name) => name !== ".seccomp");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const left = this.containers();
    for (const id of left) await this.oci("delete", "--force", id);
    const still = this.containers();
    rmSync(this.base, { recursive: true, force: true });
    if (still.length > 0) throw new Error(`Cannot be deleted: ${still.join(", ")}`);
  }
}

const quiet = ["nosuid", "noexec", "nodev"];

/** As small as a container of its own can be, for a caller without subordinate ids. */
function specFor(args: string[]): RuntimeSpec {
  const own = (id: number) => [{ containerID: 0, hostID: id, size: 1 }];
  return {
    ociVersion: "1.2.0",
    process: {
      ...{ user: { uid: 0, gid: 0 }, args, env: ["PATH=/bin"], cwd: "/", terminal: false },
      noNewPrivileges: true,
    },
    root: { path: "rootfs" },
    hostname: "box",
    mounts: [
      { destination: "/proc", type: "proc", source: "proc", options: quiet },
      { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "mode=755"] },
      {
        ...{ destination: "/dev/pts", type: "devpts", source: "devpts" },
        options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"],
      },
    ],
    linux: {
      namespaces: (["user", "pid", "mount", "uts", "ipc", "network"] as const).map((type) => ({
        type,
      })),
      uidMappings: own(process.getuid?.() ?? 0),
      gidMappings: own(process.getgid?.() ?? 0),
    },
  } as RuntimeSpec; // what is left out here is optional in config.json
}
