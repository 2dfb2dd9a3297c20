/** exec: a further process, by the command line or by a file, and when it is refused. */
import { describe, expect } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { until } from "../support/wait.ts";
import { tspodFile } from "../support/world.ts";
import { Runtime, runtimeTest } from "./runtime.ts";

const sleeping = async (): Promise<Runtime> => {
  const runtime = new Runtime(["sleep", "1000"]);
  await runtime.ok("run", "--detach", "--bundle", "bundle", "c");
  return runtime;
};

describe("exec", () => {
  runtimeTest("its streams are ours, its status too", async () => {
    await using runtime = await sleeping();
    const started = runtime.start(["exec", "c", "sh", "-c", "cat; echo err >&2; exit 7"]);
    started.process.stdin.write("typed\n");
    await started.process.stdin.end();
    expect(await started.result).toEqual({ exitCode: 7, stdout: "typed\n", stderr: "err\n" });
  });

  runtimeTest("is in all of the container's namespaces, below its first process", async () => {
    await using runtime = await sleeping();
    const { pid } = await runtime.state("c");
    const script =
      "for n in cgroup ipc mnt net pid user uts; do readlink /proc/self/ns/$n; done; hostname";
    const inside = (await runtime.ok("exec", "c", "sh", "-c", script)).trim().split("\n");
    expect(inside.pop()).toBe("box");
    expect(inside).toEqual(
      (await runtime.ok("exec", "c", "sh", "-c", script.replaceAll("self", "1")))
        .trim()
        .split("\n")
        .slice(0, -1),
    );
    expect(pid).toBeGreaterThan(1);
    expect(await runtime.ok("exec", "c", "readlink", "/proc/self/root")).toBe("/\n");
  });

  runtimeTest(
    "--cwd, --env, --cap and --no-new-privs change what the container's process has",
    async () => {
      await using runtime = new Runtime(["sleep", "1000"], (spec) => {
        spec.process.noNewPrivileges = false;
        spec.process.env = ["PATH=/bin", "KEPT=1"];
        const few = ["CAP_KILL"];
        spec.process.capabilities = {
          ...{ bounding: few, effective: few, permitted: few, inheritable: [], ambient: [] },
        };
      });
      await runtime.ok("run", "-d", "-b", "bundle", "c");
      const status = async (...options: string[]): Promise<Record<string, string>> => {
        const text = await runtime.ok("exec", ...options, "c", "cat", "/proc/self/status");
        return Object.fromEntries(text.split("\n").map((line) => line.split(":\t"))) as Record<
          string,
          string
        >;
      };
      expect(await status()).toMatchObject({ NoNewPrivs: "0", CapEff: "0000000000000020" });
      expect(await status("--cap", "CAP_CHOWN", "--no-new-privs")).toMatchObject({
        ...{ NoNewPrivs: "1", CapEff: "0000000000000021", CapBnd: "0000000000000021" },
        CapInh: "0000000000000000",
      });
      const words = ["exec", "--cwd=/tmp", "-e", "A=b", "--env=C=d", "c", "sh", "-c"];
      expect(await runtime.ok(...words, "pwd; echo $KEPT $A $C")).toBe("/tmp\n1 b d\n");
    },
  );

  runtimeTest("--process: a file says it all, what it may not add is refused", async () => {
    await using runtime = await sleeping();
    const file = join(runtime.base, "process.json");
    writeFileSync(file, JSON.stringify({ args: ["pwd"], cwd: "/tmp", env: ["PATH=/bin"] }));
    expect(await runtime.ok("exec", "--process", file, "c")).toBe("/tmp\n");
    for (const wrong of ["", "{", '{"args":"ls"}', '{"args":[1]}', '{"cwd":"/"}', '{"args":[]}']) {
      writeFileSync(file, wrong);
      expect((await runtime.oci("exec", "-p", file, "c")).exitCode).toBe(255);
    }
  });

  runtimeTest("--detach writes the pid of the process as the host sees it", async () => {
    await using runtime = await sleeping();
    const pidFile = join(runtime.base, "exec.pid");
    await runtime.ok("exec", "--detach", "--pid-file", pidFile, "c", "sleep", "2000");
    const pid = readFileSync(pidFile, "utf8");
    const commandLine = await until("it is what it executed", () =>
      readFileSync(`/proc/${pid}/cmdline`, "utf8"),
    );
    expect(commandLine).toBe("sleep\u00002000\u0000");
  });

  runtimeTest("--preserve-fds: what is not open is not passed on", async () => {
    await using runtime = await sleeping();
    const { exitCode, stderr } = await runtime.oci("exec", "--preserve-fds", "90", "c", "true");
    expect(stderr).toMatch(/descriptor \d+ is to be passed on, but is not open/);
    expect(exitCode).toBe(255);
    expect(await runtime.ok("exec", "c", "ls", "/proc/self/fd")).toBe("0\n1\n2\n3\n"); // 3 is its own
  });

  runtimeTest.each(["run", "create", "exec"])("%s --preserve-fds: what is open", async (verb) => {
    const script = "cat <&3; echo out >&4; ls /proc/self/fd | tr '\\n' ' '; echo";
    const words = verb === "exec" ? ["sleep", "1000"] : ["sh", "-c", script];
    await using runtime = new Runtime(words);
    if (verb === "exec") await runtime.ok("run", "--detach", "--bundle", "bundle", "c");
    writeFileSync(join(runtime.base, "told"), "told\n");
    const rest = verb === "exec" ? 'c sh -c "$2"' : "--bundle bundle c";
    // as files, for the container of create keeps them
    const files = "3<told 4>copied 5<told >shown 2>&1";
    const command = `"$0" oci --root "$1" ${verb} --preserve-fds 2 ${rest} ${files}`;
    const shell = ["bash", "-c", command, tspodFile, runtime.root, script];
    const child = Bun.spawn(shell, {
      ...{ cwd: runtime.base, env: runtime.environment },
      ...{ stdin: "ignore", stdout: "ignore", stderr: "ignore" },
    });
    expect(await child.exited).toBe(0);
    if (verb === "create") {
      await runtime.ok("start", "c");
      await runtime.untilStatus("c", "stopped");
    }
    expect(readFileSync(join(runtime.base, "shown"), "utf8")).toBe("told\n0 1 2 3 4 5 \n"); // 5 is ls's own
    expect(readFileSync(join(runtime.base, "copied"), "utf8")).toBe("out\n");
  });

  runtimeTest("into a stopped container, or one that is not started, is refused", async () => {
    await using runtime = new Runtime(["sleep", "1000"]);
    await runtime.create("c");
    const early = await runtime.oci("exec", "c", "hostname");
    expect(early.stderr).toContain("start it first");
    expect(early.exitCode).toBe(255);
    expect((await runtime.state("c")).status).toBe("created");
    await runtime.ok("kill", "c", "KILL");
    await runtime.untilStatus("c", "stopped");
    const { exitCode, stderr } = await runtime.oci("exec", "c", "true");
    expect(stderr).toContain("container not running");
    expect(exitCode).toBe(255);
  });

  runtimeTest("a program that is not there is told as such", async () => {
    await using runtime = await sleeping();
    expect(await runtime.oci("exec", "c", "nothing")).toMatchObject({
      ...{ exitCode: 255, stdout: "" },
      stderr: 'tspod-oci: exec: "nothing": executable file not found in $PATH\n',
    });
    expect((await runtime.oci("exec", "c", "/etc")).stderr).toContain("permission denied");
    expect((await runtime.oci("exec", "-t", "-d", "c", "sh")).stderr).toContain(
      "cannot allocate tty",
    );
  });
});
