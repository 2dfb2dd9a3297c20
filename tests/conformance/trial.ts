/** One rule tried on one runtime: a bundle of its own, the runtime's command line, and what was observed as text. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lowerDirectory } from "../helper/runtime-fixture.ts";
import { until } from "../support/wait.ts";
import { type Change, changedConfig, type Config } from "./config.ts";
import type { Column } from "./runtimes.ts";

/** Far longer than any call takes; a runtime that waits for ever is caught by it. */
const callTimeoutMs = 20_000;

export interface Outcome {
  status: number | null;
  stdout: string;
  stderr: string;
}

export interface State {
  ociVersion: string;
  id: string;
  status: string;
  pid: number;
  bundle: string;
  annotations?: Record<string, string>;
}

const base = mkdtempSync(join(tmpdir(), "tspod-rules-"));
process.on("exit", () => rmSync(base, { recursive: true, force: true }));
let count = 0;

/** The root file system of all that do not change it: busybox, users and groups, and a place to mount on. */
let root: string | undefined;

export function sharedRoot(): string {
  if (root !== undefined) return root;
  root = join(base, "root");
  cpSync(lowerDirectory(), root, { recursive: true, verbatimSymlinks: true });
  mkdirSync(join(root, "shared"));
  return root;
}

export class Trial implements AsyncDisposable {
  readonly id = `rule-${process.pid}-${++count}`;
  readonly bundle = join(base, this.id);
  /** A directory of the host that a rule may mount. */
  readonly shared = join(this.bundle, "shared");
  readonly column: Column;
  private isCreated = false;

  constructor(column: Column) {
    this.column = column;
    mkdirSync(this.shared, { recursive: true });
  }

  /** `shared`, mounted on /shared. */
  get sharedMount(): { destination: string; type: string; source: string; options: string[] } {
    return { destination: "/shared", type: "bind", source: this.shared, options: ["rbind", "rw"] };
  }

  /** The root file system is shared by all that do not change it. */
  ownRoot(): string {
    const root = join(this.bundle, "rootfs");
    if (!existsSync(root)) Bun.spawnSync(["cp", "-al", sharedRoot(), root]); // links: nobody writes into a file
    return root;
  }

  configure(args: string[], change: Change): void {
    const process = { args, ...change.process };
    const root = (change.root?.path as string | undefined) ?? sharedRoot(); // rules say a string
    this.write(changedConfig(this.column, root, { ...change, process }));
  }

  write(config: Config): void {
    writeFileSync(join(this.bundle, "config.json"), JSON.stringify(config));
  }

  read(): Config {
    return JSON.parse(readFileSync(join(this.bundle, "config.json"), "utf8")) as Config; // written by us
  }

  /** Any command line; the container's streams are those of the call that starts it. */
  async call(...words: string[]): Promise<Outcome> {
    return await this.execute([...this.runtime(), ...words]);
  }

  /** A script of the host in the runtime's namespaces. */
  async host(script: string): Promise<string> {
    const { stdout, stderr } = await this.execute(this.there("sh", "-c", script));
    return (stdout + stderr).trim();
  }

  private there(...words: string[]): string[] {
    return [...this.column.into(this.bundle), ...words];
  }

  private runtime(): string[] {
    const root = join(base, `state-${this.column.title.replaceAll(" ", "-")}`);
    return this.there(...this.column.command, "--root", root);
  }

  private async execute(command: string[]): Promise<Outcome> {
    const child = Bun.spawn(command, {
      ...{ cwd: this.bundle, stdin: "ignore", stdout: "pipe", stderr: "pipe" },
      ...{ timeout: callTimeoutMs, killSignal: "SIGKILL" },
    });
    const [stdout, stderr, status] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    return { status: child.signalCode === null ? status : null, stdout, stderr };
  }

  async run(): Promise<Outcome> {
    this.isCreated = true;
    return await this.call("run", "--bundle", this.bundle, this.id);
  }

  /** The program's output goes to a file: nobody waits for its end. */
  async create(...options: string[]): Promise<Outcome> {
    this.isCreated = true;
    const words = ["create", ...(options.includes("--bundle") ? [] : ["--bundle", this.bundle])];
    const script = 'out=$1; shift; exec "$@" >"$out" 2>&1';
    const out = join(this.bundle, "out");
    const command = [...this.runtime(), ...words, ...options, this.id];
    const { status } = await this.execute(["sh", "-c", script, "sh", out, ...command]);
    return { status, stdout: "", stderr: status === 0 ? "" : this.output() };
  }

  async start(): Promise<Outcome> {
    return await this.call("start", this.id);
  }

  async kill(signal = "KILL"): Promise<Outcome> {
    return await this.call("kill", this.id, signal);
  }

  async delete(...options: string[]): Promise<Outcome> {
    return await this.call("delete", ...options, this.id);
  }

  async state(): Promise<State | undefined> {
    const { status, stdout } = await this.call("state", this.id);
    return status === 0 ? (JSON.parse(stdout) as State) : undefined; // what the specification says it is
  }

  async status(): Promise<string> {
    return (await this.state())?.status ?? "none";
  }

  async reaches(status: string): Promise<void> {
    await until(`${this.id} is ${status}`, async () => (await this.status()) === status);
  }

  /** What the program has written so far, when `create` was called. */
  output(): string {
    return readFileSync(join(this.bundle, "out"), "utf8").trim();
  }

  async shows(text: string): Promise<void> {
    await until(`${this.id} writes ${text}`, () => this.output().includes(text));
  }

  /** A line that hooks or programs wrote in `shared`. */
  log(name = "log"): string {
    const file = join(this.shared, name);
    return existsSync(file) ? readFileSync(file, "utf8").trim() : "";
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.isCreated) await this.delete("--force");
    await this.execute(this.there("rm", "-rf", this.bundle));
  }
}
