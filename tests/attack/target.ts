/**
 * A container that attacks: by the way of `tspod run` (the native verbs, an overlay, a monitor) and by the OCI command
 * line (a directory, nobody left behind). Both with the profile that containers really get.
 */
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync } from "node:fs";
import { writeFileSync } from "node:fs";
import { arch, tmpdir } from "node:os";
import { join } from "node:path";
import type { ExecConfig } from "../../src/helper/contract.ts";
import { helperCommand, removeTrees } from "../../src/helper/index.ts";
import { hostCgroup } from "../../src/host/index.ts";
import { defaultCapabilities, defaultSecurity, processCapabilities } from "../../src/spec/index.ts";
import { maskedPaths, readonlyPaths } from "../../src/spec/mounts.ts";
import { defaultSeccomp } from "../../src/spec/seccomp.ts";
import { bundleConfig, type BundleOptions, type Mount } from "../helper/runtime-bundle.ts";
import { attached, Container, lowerDirectory, mapping } from "../helper/runtime-fixture.ts";
import { program, type Requirement, testWith } from "../support/requirements.ts";
import { until } from "../support/wait.ts";

export const fronts = ["run", "oci"] as const;
export type Front = (typeof fronts)[number];

/** How it went: the program's output, errors and all, or what the runtime says instead of running it. */
export interface Result {
  status: number | null;
  output: string;
  refused: string | undefined;
}

export interface Process {
  cwd?: string;
  env?: string[];
  capabilities?: string[];
  terminal?: boolean;
  noNewPrivileges?: boolean;
  user?: { uid: number; gid: number };
  oomScoreAdj?: number;
}

export interface Target extends AsyncDisposable {
  /** The files of the image. */
  readonly image: string;
  /** A directory of the test beside it. */
  readonly base: string;
  /** Mounted on /talk: what the attacker and the test tell each other. */
  readonly talk: string;
  /** The host's copy of our executable, which belongs to the user that container root is. */
  readonly helper: string;
  /** Change what config.json says. */
  configure(change: (config: Config) => unknown): void;
  run(): Promise<Result>;
  /** It runs on until the end of the test. */
  background(): Promise<void>;
  exec(args: string[], process?: Process): Promise<Result>;
  /** Command lines that do the same at somebody's terminal. */
  runCommand(): string[];
  execCommand(args: string[], process?: Process): string[];
  /** The pids, as the host counts them, of its first process and of whoever watches over it. */
  pids(): number[];
  isRunning(): boolean;
  /** All of it, at once. */
  kill(): Promise<void>;
  /** Run by this file from now on. */
  useHelper(file: string): void;
}

/** The part of config.json that attacks touch. */
export interface Config {
  process: Record<string, unknown>;
  mounts: Mount[];
  linux: Record<string, unknown> & { namespaces: { type: string; path?: string }[] };
  [key: string]: unknown;
}

export function profileFor(capabilities: readonly string[]): BundleOptions {
  const seccomp = defaultSeccomp([...capabilities], arch());
  return { capabilities: [...capabilities], linux: { seccomp, maskedPaths, readonlyPaths } };
}

export function attack(front: Front, args: string[], options: BundleOptions = {}): Target {
  const profile = profileFor(options.capabilities ?? defaultCapabilities);
  const all = { ...profile, ...options, linux: { ...profile.linux, ...options.linux } };
  return front === "run" ? new NativeTarget(args, all) : new OciTarget(args, all);
}

/** A script that must run to its end, everywhere; what it wrote. */
export async function inside(
  front: Front,
  script: string,
  options: BundleOptions = {},
): Promise<string> {
  await using target = attack(front, ["sh", "-c", `exec 2>&1\n${script}\ntrue`], options);
  const { output, refused, status } = await target.run();
  if (refused !== undefined || status !== 0)
    throw new Error(`status ${status}: ${refused} ${output}`);
  return output;
}

export const attackRequirements: Requirement[] = [
  program("busybox", "busybox-static"),
  program("perl"),
  () => mapping.limitation,
  () => (arch() === "x64" ? undefined : "the numbers of system calls are x86-64's"),
];
export const attackTest = testWith(...attackRequirements);

/** The host's perl, read-only: for system calls that busybox has no word for. */
export const perlMounts: Mount[] = ["/usr", "/lib", "/lib64"]
  .filter((source) => existsSync(source))
  .map((source) => ({ destination: source, source, options: ["rbind", "rro"] }));

function ownCopy(base: string): string {
  const file = join(base, "helper");
  copyFileSync(helperCommand()[0] ?? "", file);
  chmodSync(file, 0o555); // as it is unpacked
  return file;
}

function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

function makeTalk(target: Target): string {
  const source = join(target.base, "talk");
  mkdirSync(source);
  target.configure(({ mounts }) =>
    mounts.push({ destination: "/talk", source, options: ["bind"] }),
  );
  return source;
}

/** The user is the one of `process`. */
const asConfigured = { user: undefined as never };

class NativeTarget implements Target {
  readonly container: Container;
  helper: string;
  readonly talk: string;
  private known: number[] = [];

  constructor(args: string[], options: BundleOptions) {
    const manager = options.linux?.["resources"] ? hostCgroup(process.env).manager : "none";
    const helper = { attach: attached, cgroup: { manager, parent: null } };
    this.container = new Container(args, { ...options, helper });
    this.container.amend(asConfigured);
    this.helper = ownCopy(this.container.base);
    this.talk = makeTalk(this);
  }

  get image(): string {
    return join(this.container.directory, "upper");
  }

  get base(): string {
    return this.container.base;
  }

  configure(change: (config: Config) => unknown): void {
    const file = join(this.container.directory, "config.json");
    const config = JSON.parse(readFileSync(file, "utf8")) as Config; // written by the fixture
    change(config);
    writeFileSync(file, JSON.stringify(config));
  }

  async run(): Promise<Result> {
    return resultOf(await this.container.run({ command: [this.helper, "native"] }));
  }

  async background(): Promise<void> {
    this.container.amend({ attach: undefined as never }); // nobody attaches
    const { last } = await this.container.run({ command: [this.helper, "native"] });
    if (last?.event !== "started") throw new Error(`not started: ${JSON.stringify(last)}`);
    const { pid, monitorPid } = this.container.state();
    this.known = [pid, monitorPid];
  }

  async exec(args: string[], asked: Process = {}): Promise<Result> {
    const process = processOf(args, asked);
    const command = { command: [this.helper, "native"] };
    return resultOf(
      await this.container.startExec(args, { process, ...asConfigured }, command).outcome,
    );
  }

  runCommand(): string[] {
    this.container.amend({ stdinOpen: true, attach: { ...attached, stdin: true } });
    return this.atTerminal("run", this.container.directory);
  }

  execCommand(args: string[], asked: Process = {}): string[] {
    const config: ExecConfig = {
      ...{ contract: 1, containerDir: this.container.directory, stdinOpen: true },
      ...{ runtimeDir: this.container.runtimeDir, attach: { ...attached, stdin: true } },
      process: processOf(args, asked),
    };
    const file = join(this.base, `exec-${crypto.randomUUID()}.json`);
    writeFileSync(file, JSON.stringify(config));
    return this.atTerminal("exec", file);
  }

  /** With nobody who reads its events. */
  private atTerminal(verb: string, file: string): string[] {
    return ["sh", "-c", 'exec "$0" "$@" 3>/dev/null', this.helper, "native", verb, file];
  }

  pids(): number[] {
    return this.known;
  }

  isRunning(): boolean {
    return (
      existsSync(join(this.container.runtimeDir, "state.json")) && isAlive(this.pids()[0] ?? 0)
    );
  }

  async kill(): Promise<void> {
    await this.container.control({ op: "stop", signal: 9, timeoutMs: 1 });
  }

  useHelper(file: string): void {
    this.helper = file;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.container[Symbol.asyncDispose]();
  }
}

function resultOf(outcome: Awaited<ReturnType<Container["run"]>>): Result {
  const { last, stdout, stderr, status } = outcome;
  const refused = last?.event === "failed" ? JSON.stringify(last) : undefined;
  return { status, output: stdout + stderr, refused };
}

function processOf(args: string[], asked: Process): ExecConfig["process"] {
  const { capabilities, cwd = "/", env = ["PATH=/bin"], user = { uid: 0, gid: 0 } } = asked;
  const sets = capabilities === undefined ? {} : { capabilities: setsOf(capabilities, user.uid) };
  return { ...asked, args, cwd, env, user, ...sets };
}

function setsOf(capabilities: string[], uid: number): object {
  const capAdd = capabilities.filter((name) => !defaultCapabilities.includes(name));
  return processCapabilities({ ...defaultSecurity, capAdd: uid === 0 ? capAdd : [] }, `${uid}`);
}

class OciTarget implements Target {
  readonly base = mkdtempSync(join(tmpdir(), "tspod-attack-"));
  readonly image = join(this.base, "rootfs");
  helper = ownCopy(this.base);
  readonly talk: string;
  private known: number[] = [];
  private readonly id = "attacker";

  constructor(args: string[], options: BundleOptions) {
    Bun.spawnSync(["cp", "-a", lowerDirectory(), this.image]);
    const config = bundleConfig(args, "rootfs", { mapping, ...options });
    writeFileSync(join(this.base, "config.json"), JSON.stringify(config));
    mkdirSync(join(this.base, "state"), { mode: 0o700 });
    this.talk = makeTalk(this);
  }

  configure(change: (config: Config) => unknown): void {
    const file = join(this.base, "config.json");
    const config = JSON.parse(readFileSync(file, "utf8")) as Config; // written by the constructor
    change(config);
    writeFileSync(file, JSON.stringify(config));
  }

  private command(words: string[], helper = this.helper): string[] {
    return [helper, "oci", "--root", join(this.base, "state"), ...words];
  }

  private async call(
    words: string[],
    out: "pipe" | Bun.BunFile = "pipe",
    helper = this.helper,
  ): Promise<Result> {
    const child = Bun.spawn(this.command(words, helper), {
      ...{ cwd: this.base, env: { PATH: process.env.PATH ?? "" }, stdin: "ignore" },
      ...{ stdout: out, stderr: out, timeout: 30_000, killSignal: "SIGKILL" },
    });
    const read = async (stream: ReadableStream | undefined): Promise<string> =>
      stream === undefined ? "" : await new Response(stream).text();
    const [stdout, stderr, status] = await Promise.all([
      read(child.stdout as ReadableStream | undefined),
      read(child.stderr as ReadableStream | undefined),
      child.exited,
    ]);
    const refused = /^tspod-oci: .*/m.exec(stderr)?.[0];
    return { status: child.signalCode === null ? status : null, output: stdout + stderr, refused };
  }

  private get runWords(): string[] {
    return ["run", "--bundle", this.base, this.id];
  }

  async run(): Promise<Result> {
    return await this.call(this.runWords);
  }

  async background(): Promise<void> {
    const out = Bun.file(join(this.base, "out"));
    const { status } = await this.call(["run", "--detach", "--bundle", this.base, this.id], out);
    if (status !== 0) throw new Error(`not started: ${await out.text()}`);
    const { output } = await this.call(["state", this.id]);
    this.known = [(JSON.parse(output) as { pid: number }).pid]; // as the specification has it
  }

  async exec(args: string[], asked: Process = {}): Promise<Result> {
    return await this.call(this.execWords(args, asked));
  }

  private execWords(args: string[], asked: Process): string[] {
    const file = join(this.base, `process-${crypto.randomUUID()}.json`);
    const { capabilities = [...defaultCapabilities] } = asked;
    writeFileSync(file, JSON.stringify(processOf(args, { ...asked, capabilities })));
    return ["exec", "--process", file, this.id];
  }

  runCommand(): string[] {
    return this.command(this.runWords);
  }

  execCommand(args: string[], asked: Process = {}): string[] {
    return this.command(this.execWords(args, asked));
  }

  /** Nobody watches over a container of the OCI command line. */
  pids(): number[] {
    return this.known;
  }

  isRunning(): boolean {
    return isAlive(this.pids()[0] ?? 0);
  }

  async kill(): Promise<void> {
    await this.call(["kill", "--all", this.id, "KILL"]);
  }

  useHelper(file: string): void {
    this.helper = file;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // by another file than the one that was attacked
    await this.call(["delete", "--force", this.id], "pipe", helperCommand()[0]);
    const mounts = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
    const left = mounts.filter((line) => line.includes(this.base));
    const signal = new AbortController().signal;
    await removeTrees({ command: helperCommand(), mapping, signal }, [this.base]);
    if (left.length > 0) throw new Error(`Left behind: ${left.join()}`);
  }
}

/** A file that the attacker writes when it is at work. */
export async function ready(target: Target): Promise<void> {
  await until("it is at it", () => existsSync(join(target.talk, "ready")));
}
