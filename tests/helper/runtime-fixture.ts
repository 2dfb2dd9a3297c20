/** Containers written by hand, without store or image: a root from busybox, config.json, helper.json, the helper. */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { chmodSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type {
  Attach,
  ControlReply,
  ControlRequest,
  ExecConfig,
  HelperConfig,
  HelperEvent,
  RuntimeState,
} from "../../src/helper/contract.ts";
import { control, helperCommand, removeTrees } from "../../src/helper/index.ts";
import { hostMapping, type Mapping } from "../../src/host/index.ts";
import { program, testWith } from "../support/requirements.ts";
import { until } from "../support/wait.ts";
import { bundleConfig, type BundleOptions } from "./runtime-bundle.ts";

export const mapping = hostMapping(process.env);

/** A test that runs containers of more than one id from busybox. */
export const runtimeTest = testWith(program("busybox", "busybox-static"), () => mapping.limitation);

export const attached: Attach = {
  stdin: false,
  detachKeys: [16, 17],
  sigProxy: true,
  passthrough: false,
};

export interface ContainerOptions extends BundleOptions {
  helper?: Partial<HelperConfig>;
}

export interface RunOptions {
  stdin?: Uint8Array | "pipe" | "ignore";
  terminal?: Bun.TerminalOptions;
  /** Another helper than the one under test's own file. */
  command?: string[];
}

export interface Outcome {
  events: HelperEvent[];
  status: number | null;
  stdout: string;
  stderr: string;
  /** The last event, which tells how it went. */
  last: HelperEvent | undefined;
}

/** The root of every container: busybox, a passwd and a group file. Made once per process. */
let lower: string | undefined;

export function lowerDirectory(): string {
  if (lower !== undefined) return lower;
  lower = mkdtempSync(join(tmpdir(), "tspod-lower-"));
  for (const name of ["bin", "etc", "tmp", "root", "proc", "sys", "dev", "home"]) {
    mkdirSync(join(lower, name));
  }
  chmodSync(lower, 0o755);
  chmodSync(join(lower, "tmp"), 0o1777);
  const busybox = Bun.which("busybox") ?? "/bin/busybox";
  cpSync(busybox, join(lower, "bin/busybox"), { dereference: true });
  for (const name of Bun.spawnSync([busybox, "--list"]).stdout.toString().trim().split("\n")) {
    if (name !== "busybox") symlinkSync("busybox", join(lower, "bin", name));
  }
  const users = ["root:x:0:0:root:/root:/bin/sh", "app:x:1000:1000::/home/app:/bin/sh"];
  const groups = ["root:x:0:", "wheel:x:10:root", "staff:x:50:app", "app:x:1000:"];
  writeFileSync(join(lower, "etc/passwd"), `${users.join("\n")}\n`);
  writeFileSync(join(lower, "etc/group"), `${groups.join("\n")}\n`);
  process.on("exit", () => rmSync(lower ?? "", { recursive: true, force: true }));
  return lower;
}

/** config.json without any promise. */
export interface LooseConfig {
  process: Record<string, unknown>;
  linux: Record<string, unknown>;
  mounts: Record<string, unknown>[];
  [name: string]: unknown;
}

/** A container directory and everything beside it; disposing insists that nothing of it is left. */
export class Container implements AsyncDisposable {
  readonly base = mkdtempSync(join(tmpdir(), "tspod-runtime-"));
  readonly directory = join(this.base, "containers/c");
  readonly runtimeDir = join(this.base, "run/c");
  readonly trash = join(this.base, "trash");
  readonly log = join(this.directory, "log");
  readonly mapping: Mapping;

  constructor(args: string[], options: ContainerOptions = {}) {
    this.mapping = options.mapping ?? mapping;
    for (const name of ["upper", "work", "merged"]) {
      mkdirSync(join(this.directory, name), { recursive: true });
    }
    mkdirSync(join(this.base, "run"));
    const rootPath = join(this.directory, "merged");
    const env = [...(options.env ?? ["PATH=/bin"]), tagOf(this.base)];
    this.write("config.json", bundleConfig(args, rootPath, { mapping, ...options, env }));
    const helper: HelperConfig = {
      ...{ contract: 1, id: "c", name: "c", runtimeDir: this.runtimeDir },
      ...{ containerDir: this.directory, trashDir: this.trash, idMapTools: this.mapping.tools },
      rootfs: {
        kind: "overlay",
        lower: [lowerDirectory()],
        upper: join(this.directory, "upper"),
        work: join(this.directory, "work"),
      },
      ...{ user: "", createCwd: true, init: false, stdinOpen: false, autoRemove: false },
      ...{ stopSignal: 15, stopTimeoutMs: 10_000, log: { driver: "none" } },
      cgroup: { manager: "none", parent: null },
      ...options.helper,
    };
    this.write("helper.json", helper);
  }

  private write(name: string, value: unknown): void {
    writeFileSync(join(this.directory, name), JSON.stringify(value));
  }

  /** Change config.json as only a hand could. */
  change(by: (config: LooseConfig) => unknown): void {
    const text = readFileSync(join(this.directory, "config.json"), "utf8");
    const config = JSON.parse(text) as LooseConfig; // written by the constructor
    by(config);
    this.write("config.json", config);
  }

  /** Change some of helper.json. */
  amend(change: Partial<HelperConfig>): void {
    const text = readFileSync(join(this.directory, "helper.json"), "utf8");
    this.write("helper.json", { ...(JSON.parse(text) as HelperConfig), ...change }); // written by the constructor
  }

  /** `native run`, to its end. */
  async run(options: RunOptions = {}): Promise<Outcome> {
    return await this.start(options).outcome;
  }

  start(options: RunOptions = {}): Started {
    return startVerb(["run", this.directory], options);
  }

  /** `native exec`, to its end. */
  async exec(args: string[], options: Partial<ExecConfig> = {}): Promise<Outcome> {
    return await this.startExec(args, options).outcome;
  }

  startExec(args: string[], options: Partial<ExecConfig> = {}, run: RunOptions = {}): Started {
    const file = join(this.base, `exec-${crypto.randomUUID()}.json`);
    const config: ExecConfig = {
      ...{ contract: 1, runtimeDir: this.runtimeDir, containerDir: this.directory },
      ...{ user: "", stdinOpen: false, attach: attached },
      ...options,
      process: {
        ...{ args, env: ["PATH=/bin"], cwd: "/", user: { uid: 0, gid: 0 } },
        ...(options.process as object | undefined),
      },
    };
    writeFileSync(file, JSON.stringify(config));
    return startVerb(["exec", file], run);
  }

  attach(words: string[], options: RunOptions = {}): Started {
    return startVerb(["attach", this.runtimeDir, ...words], options);
  }

  control(request: ControlRequest): Promise<ControlReply | null> {
    return control(this.runtimeDir, request);
  }

  state(): RuntimeState {
    return JSON.parse(readFileSync(join(this.runtimeDir, "state.json"), "utf8")) as RuntimeState; // written by ours
  }

  exit(): { exitCode: number; signal?: number } {
    return JSON.parse(readFileSync(join(this.directory, "exit.json"), "utf8")) as {
      exitCode: number;
    };
  }

  logText(): string {
    return readFileSync(this.log, "utf8");
  }

  /** What a container that has ended must not leave: processes, mounts, its runtime directory, trash. */
  leftovers(): string[] {
    const processes = readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
      .filter((pid) => isAliveHere(pid, this.base));
    const mounts = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
    const trash = existsSync(this.trash) ? readdirSync(this.trash) : [];
    return [
      ...processes.map((pid) => `process ${pid} ${nameOf(pid)}`),
      ...mounts.filter((line) => line.includes(this.base)),
      ...(existsSync(this.runtimeDir) ? ["its runtime directory"] : []),
      ...trash.map((name) => `trash/${name}`),
    ];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.control({ op: "stop", signal: 9, timeoutMs: 1 });
    const left = await until("nothing is left", () => this.leftovers().length === 0).catch(() =>
      this.leftovers(),
    );
    const signal = new AbortController().signal;
    await removeTrees({ command: helperCommand(), mapping: this.mapping, signal }, [this.base]);
    if (left !== true) throw new Error(`Left behind: ${JSON.stringify(left)}`);
  }
}

/** In the environment of whatever runs inside: what it sees of the host does not name its directory. */
function tagOf(base: string): string {
  return `TSPOD_TEST=${base.slice(-6)}`; // the random part
}

/** Its command line, its mounts or its environment tell; a zombie waits only for whoever is process 1. */
function isAliveHere(pid: string, base: string): boolean {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    if (/^State:\s+Z/m.test(status)) return false;
    const has = (name: string, text: string): boolean =>
      readFileSync(`/proc/${pid}/${name}`, "utf8").includes(text);
    return has("cmdline", base) || has("mountinfo", base) || has("environ", tagOf(base));
  } catch {
    return false; // it ended, or is somebody else's
  }
}

function nameOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").trim();
  } catch {
    return "";
  }
}

export interface Started {
  pid: number;
  outcome: Promise<Outcome>;
  /** Resolves with the `started` event. */
  started: Promise<HelperEvent>;
  process: Bun.Subprocess;
}

/** One native verb with the event stream on descriptor 3, as src/helper/start.ts starts it. */
export function startVerb(words: string[], options: RunOptions): Started {
  const events: HelperEvent[] = [];
  const started = Promise.withResolvers<HelperEvent>();
  started.promise.catch(() => {}); // not everybody looks at it
  const input = options.stdin ?? "ignore";
  const child = Bun.spawn([...(options.command ?? helperCommand()), ...words], {
    ...(options.terminal === undefined
      ? { stdio: [input, "pipe", "pipe", "pipe"] }
      : { terminal: options.terminal, stdio: [undefined, undefined, undefined, "pipe"] }),
    env: {},
  } as Bun.SpawnOptions.OptionsObject<"pipe", "pipe", "pipe">); // the types know three streams
  const follow = async (): Promise<void> => {
    const descriptor = child.stdio[3] as unknown as number; // "pipe" gives a number
    const decoder = new TextDecoder();
    let text = "";
    for await (const chunk of Bun.file(descriptor).stream()) {
      text += decoder.decode(chunk, { stream: true });
      const lines = text.split("\n");
      text = lines.pop() ?? "";
      for (const line of lines) {
        const event = JSON.parse(line) as HelperEvent;
        events.push(event);
        if (event.event === "started") started.resolve(event);
      }
    }
    started.reject(new Error(`not started: ${JSON.stringify(events)}`));
  };
  const outcome = async (): Promise<Outcome> => {
    const isPiped = options.terminal === undefined;
    const [stdout, stderr] = await Promise.all([
      isPiped ? new Response(child.stdout).text() : "",
      isPiped ? new Response(child.stderr).text() : "",
      follow(),
    ]);
    const status = await child.exited.then(() => child.exitCode);
    return { events, status, stdout, stderr, last: events.at(-1) };
  };
  return { pid: child.pid, outcome: outcome(), started: started.promise, process: child };
}
