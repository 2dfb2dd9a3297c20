/**
 * A place where a test is root: a user namespace that maps all our ids, with further namespaces of its own, kept by a
 * sleeping process. Ends with `using`.
 */
import { readFileSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { helperCommand } from "../../src/helper/index.ts";
import { program, testWith } from "../support/requirements.ts";
import { until } from "../support/wait.ts";
import { mapping } from "./runtime-fixture.ts";

export const placeTest = testWith(
  program("busybox", "busybox-static"),
  program("unshare", "util-linux"),
  () => mapping.limitation,
);

export class Place implements AsyncDisposable {
  readonly #child: Bun.Subprocess;
  readonly #flags: readonly string[];

  private constructor(child: Bun.Subprocess, flags: readonly string[]) {
    this.#child = child;
    this.#flags = flags;
  }

  /** `flags` of unshare(1) and nsenter(1): --mount, --net... */
  static async make(...flags: string[]): Promise<Place> {
    const unshare = Bun.which("unshare") ?? "unshare";
    const words = ["--user", "--map-auto", "--map-root-user", ...flags, "sleep", "1000"];
    const child = Bun.spawn([unshare, ...words], { stdio: ["ignore", "ignore", "inherit"] });
    const commandLine = `/proc/${child.pid}/cmdline`;
    await until("the namespaces are there", () =>
      readFileSync(commandLine, "utf8").startsWith("sleep"),
    );
    return new Place(child, flags);
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Command line prefix: in there, in its user namespace and those `flags` (all of them unless said otherwise). */
  enter(flags = this.#flags): string[] {
    const nsenter = Bun.which("nsenter") ?? "nsenter";
    return [nsenter, `--target=${this.pid}`, "--user", "--preserve-credentials", ...flags, "--"];
  }

  /** What the shell prints in there. */
  run(script: string): string {
    const [command = "", ...words] = [...this.enter(), "sh", "-ec", script];
    const { stdout, stderr, status } = spawnSync(command, words);
    if (status !== 0) throw new Error(stderr.toString());
    return stdout.toString();
  }

  /** Run options: the helper as root in there. */
  helper(flags = this.#flags): { command: string[] } {
    return { command: [...this.enter(flags), ...helperCommand()] };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.exited;
  }
}
