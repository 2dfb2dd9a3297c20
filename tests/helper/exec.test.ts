/** `native exec` and `--init`. */
import { describe, expect } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { until } from "../support/wait.ts";
import { attached, Container, type ContainerOptions, runtimeTest } from "./runtime-fixture.ts";

async function running(options: ContainerOptions = {}): Promise<Container> {
  const container = new Container(["sleep", "1000"], options);
  expect((await container.run()).last).toMatchObject({ event: "started" });
  return container;
}

describe("exec", () => {
  runtimeTest("runs in the container's namespaces and hands back the status", async () => {
    await using container = await running();
    const script = "hostname; cat /proc/1/cmdline | tr '\\0' ' '; echo; echo err >&2; exit 7";
    const outcome = await container.exec(["sh", "-c", script]);
    expect(outcome).toMatchObject({ stdout: "box\nsleep 1000 \n", stderr: "err\n", status: 7 });
    expect(outcome.last).toEqual({ event: "exited", code: 7 });
  });

  runtimeTest("joins every namespace", async () => {
    await using container = await running();
    const kinds = "user pid mnt uts ipc net cgroup";
    const script = `for k in ${kinds}; do test $(readlink /proc/1/ns/$k) = $(readlink /proc/self/ns/$k) || echo $k; done`;
    const capabilities = ["CAP_SYS_PTRACE"]; // to read process 1's links
    const sets = { bounding: capabilities, effective: capabilities, permitted: capabilities };
    const outcome = await container.exec(["sh", "-c", script], {
      process: { args: ["sh", "-c", script], capabilities: sets },
    });
    expect(outcome).toMatchObject({ stdout: "", stderr: "", status: 0 });
  });

  runtimeTest("takes user, groups, directory, environment, capabilities of its own", async () => {
    await using container = await running();
    const script = "id -u; id -G; pwd; echo $A; grep CapBnd /proc/self/status";
    const { stdout } = await container.exec([], {
      user: "app",
      process: {
        ...{ args: ["sh", "-c", script], cwd: "/tmp", env: ["PATH=/bin", "A=b"] },
        capabilities: { bounding: ["CAP_KILL"] },
      },
    });
    expect(stdout).toBe("1000\n1000 50\n/tmp\nb\nCapBnd:\t0000000000000020\n");
  });

  runtimeTest("is under the container's seccomp filter", async () => {
    const seccomp = {
      defaultAction: "SCMP_ACT_ALLOW",
      syscalls: [{ names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 28 }],
    };
    await using container = await running({ linux: { seccomp } });
    const { stderr } = await container.exec(["mkdir", "/x"]);
    expect(stderr).toContain("No space left on device");
  });

  const failures = [
    { args: ["nope"], last: { call: "lookup", detail: "nope", errno: "ENOENT" } },
    { args: ["/etc/passwd"], last: { call: "execve", detail: "/etc/passwd", errno: "EACCES" } },
  ];
  runtimeTest.each(failures)("$args fails as run does", async ({ args, last }) => {
    await using container = await running();
    expect((await container.exec(args)).last).toMatchObject({ event: "failed", ...last });
  });

  runtimeTest("input goes in, and its end", async () => {
    await using container = await running();
    const attach = { ...attached, stdin: true };
    const started = container.startExec(
      ["wc", "-c"],
      { stdinOpen: true, attach },
      { stdin: Buffer.alloc(70_000) },
    );
    expect((await started.outcome).stdout).toBe("70000\n");
  });

  runtimeTest("dies with the container", async () => {
    await using container = await running();
    const started = container.startExec(["sleep", "1000"]);
    await started.started;
    await container.control({ op: "signal", signal: 9 });
    expect((await started.outcome).last).toEqual({ event: "exited", code: 137, signal: 9 });
  });

  runtimeTest("detached: runs on, with a monitor that will tell how it ended", async () => {
    await using container = await running();
    const { attach: _, ...plain } = { attach: undefined };
    const script = "echo $$ >/tmp/pid; sleep 1000";
    const outcome = await container.exec(["sh", "-c", script], {
      ...plain,
      attach: undefined as never,
    });
    expect(outcome.last).toMatchObject({ event: "started" });
    await until("it runs", () => {
      const { stdout } = Bun.spawnSync(["cat", join(container.directory, "upper/tmp/pid")]);
      return stdout.toString().trim();
    });
    const ours = container.leftovers().filter((line) => line.endsWith(" tspod-helper"));
    expect(ours).toHaveLength(2); // and the container has one
  });

  runtimeTest("is refused when the container is not running", async () => {
    await using container = new Container(["true"], { helper: { attach: attached } });
    await container.run();
    const { last } = await container.exec(["true"]);
    expect(last).toMatchObject({ call: "exec", detail: "the container is not running", errno: "" });
  });

  runtimeTest("is refused when the recorded pid is somebody else's by now", async () => {
    await using container = await running();
    const file = join(container.runtimeDir, "state.json");
    const state = JSON.parse(readFileSync(file, "utf8")) as { pid: number; pidStart: number };
    writeFileSync(file, JSON.stringify({ ...state, pidStart: state.pidStart + 1 }));
    const { last } = await container.exec(["true"]);
    expect(last).toMatchObject({ call: "exec", detail: "the container is not running" });
  });
});

describe("init", () => {
  const withInit = { helper: { init: true, attach: attached } };

  runtimeTest("is process 1, hands on the status, and shows nothing of the host", async () => {
    const script =
      "echo $$; tr '\\0' ' ' </proc/1/cmdline; cat /proc/1/comm; readlink /proc/1/exe; exit 3";
    await using container = new Container(["sh", "-c", script], withInit);
    const { stdout, last } = await container.run();
    expect(last).toEqual({ event: "exited", code: 3 });
    const [pid, cmdline = "", ...rest] = stdout.replaceAll(/ +/g, " ").trim().split("\n");
    expect(pid).toBe("2");
    expect([cmdline.trim(), ...rest].join(" ")).toMatch(/^tspod-init ?tspod-init$/);
  });

  runtimeTest("reaps orphans", async () => {
    const script =
      "(sleep 0.05 & true); sleep 0.3; for s in /proc/[0-9]*/stat; do cut -d' ' -f3 $s; done | grep -c Z; true";
    await using container = new Container(["sh", "-c", script], withInit);
    expect((await container.run()).stdout).toBe("0\n");
  });

  runtimeTest("forwards signals; death by a signal is 128 and its number", async () => {
    await using container = new Container(["sleep", "1000"], { helper: { init: true } });
    await container.run();
    expect(await container.control({ op: "stop", signal: 15, timeoutMs: 600_000 })).toEqual({
      ...{ ok: true, exitCode: 143 },
    });
  });

  runtimeTest("another user's program is found, run and can be joined", async () => {
    await using container = new Container(["sleep", "1000"], {
      helper: { init: true, user: "app" },
    });
    await container.run();
    expect((await container.exec(["id", "-u"], { user: "app" })).stdout).toBe("1000\n");
  });

  runtimeTest("a program that is not there is told as without it", async () => {
    await using container = new Container(["nope"], withInit);
    expect((await container.run()).last).toMatchObject({ call: "lookup", errno: "ENOENT" });
    await using script = new Container(["/bin/script"], withInit);
    writeFileSync(join(script.directory, "upper/bin"), ""); // hides the directory: what lies in it is not found
    expect((await script.run()).last).toMatchObject({
      event: "failed",
      call: "lookup",
      errno: "ENOTDIR",
    });
  });
});
