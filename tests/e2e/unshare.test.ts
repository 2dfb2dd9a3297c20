/** `tspod unshare`: a program of the host, as root of the user namespace that containers live in. */
import { describe, expect } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { testWith, type Requirement } from "../support/requirements.ts";
import { sharedWorld } from "../support/shared-world.ts";
import { until } from "../support/wait.ts";
import { tspodFile } from "../support/world.ts";

const isOrdinary: Requirement = () =>
  process.getuid?.() === 0 ? "root needs no user namespace" : undefined;
const test = testWith(isOrdinary);
const shared = sharedWorld({ images: [] });
const unshare = (...words: string[]) => shared.world.tspod(["unshare", ...words]);

describe("unshare", () => {
  test("is root there, in the caller's directory, with the caller's streams and environment", async () => {
    const { exitCode, stdout, stderr } = await unshare(
      "sh",
      "-c",
      "id -u; pwd; echo $HOME; echo err >&2",
    );
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "err\n" });
    const { HOME = "" } = shared.world.environment; // where the tests' commands are run
    expect(stdout).toBe(`0\n${HOME}\n${HOME}\n`);
  });

  test("has the map that containers have", async () => {
    const { stdout } = await unshare("cat", "/proc/self/uid_map");
    const [first = ""] = stdout.split("\n");
    expect(first.trim().split(/\s+/)).toEqual(["0", String(process.getuid?.()), "1"]);
  });

  test("its files are the caller's outside; what it mounts nobody else sees", async () => {
    const directory = join(shared.world.root, "mine");
    const script = `mkdir ${directory} && mount -t tmpfs none ${directory} && touch ${directory}/inside && ls ${directory}`;
    expect(await unshare("sh", "-c", script)).toMatchObject({ exitCode: 0, stdout: "inside\n" });
    expect(await Bun.$`ls ${directory}`.text()).toBe("");
  });

  test("the status is the program's; none is 127, one that cannot be executed 126", async () => {
    expect((await unshare("sh", "-c", "exit 7")).exitCode).toBe(7);
    const missing = await unshare("no-such-program");
    expect(missing.exitCode).toBe(127);
    expect(missing.stderr).toStartWith('Error: Cannot find the program "no-such-program"\n');
    const forbidden = await unshare("/etc/passwd");
    expect(forbidden.exitCode).toBe(126);
    expect(forbidden.stderr).toStartWith('Error: Cannot execute "/etc/passwd" (EACCES)\n');
  });

  test("a signal reaches the program itself", async () => {
    const script = "trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.05; done";
    const child = Bun.spawn([tspodFile, "unshare", "sh", "-c", script], {
      ...{ env: shared.world.environment, stdin: "ignore", stdout: "pipe", stderr: "inherit" },
    });
    await until("it is a shell", () => readFileSync(`/proc/${child.pid}/comm`, "utf8") === "sh\n");
    const reader = child.stdout.getReader();
    const { value } = await reader.read();
    expect(new TextDecoder().decode(value)).toBe("ready\n");
    child.kill("SIGTERM");
    expect(await child.exited).toBe(3);
  });

  test("without a command it is the user's shell", async () => {
    const environment = { ...shared.world.environment, SHELL: "/bin/true" };
    const child = Bun.spawn([tspodFile, "unshare"], { env: environment, stdin: "ignore" });
    expect(await child.exited).toBe(0);
  });

  test("what podman would share is refused with the reason", async () => {
    const { exitCode, stderr } = await unshare("--rootless-netns", "true");
    expect([exitCode, stderr]).toEqual([125, expect.stringContaining("a network of its own")]);
  });
});
