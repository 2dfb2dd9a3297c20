/** The command lines that containerd's shim and cri-o send, by the name that engines know a runtime by. */
import packageJson from "../../package.json";
import { describe, expect } from "bun:test";
import { existsSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { tspodFile } from "../support/world.ts";
import { type Result, Runtime, runtimeTest } from "./runtime.ts";

/** As `tspod-oci`, with a log as JSON. */
function engine(runtime: Runtime): (...words: string[]) => Promise<Result> {
  const file = join(runtime.base, "tspod-oci");
  symlinkSync(tspodFile, file);
  const globals = ["--root", runtime.root, "--log", "log.json", "--log-format", "json"];
  return async (...words) => {
    const child = Bun.spawn([file, ...globals, ...words], {
      ...{ cwd: runtime.base, env: runtime.environment },
      ...{ stdin: "ignore", stdout: "pipe", stderr: "pipe" },
    });
    const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
    await child.exited;
    return { exitCode: child.exitCode, stdout, stderr };
  };
}

function logOf(runtime: Runtime): { level: string; msg: string; time: string }[] {
  const file = join(runtime.base, "log.json");
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, "utf8").trim().split("\n");
  return lines.map((line) => JSON.parse(line) as { level: string; msg: string; time: string }); // ours
}

describe("as an engine calls it", () => {
  runtimeTest("create, state, start, exec, kill, delete", async () => {
    await using runtime = new Runtime(["sh", "-c", "exec sleep 1000 >/dev/null 2>&1"]);
    const call = engine(runtime);
    const create = [
      "create",
      "--bundle",
      runtime.bundle,
      "--pid-file",
      "init.pid",
      "--no-new-keyring",
    ];
    // a shim's pipes stay open in the container: it does not wait for their end
    await runtime.ok(...create, "c");
    const pid = Number(readFileSync(join(runtime.base, "init.pid"), "utf8"));
    expect(JSON.parse((await call("state", "c")).stdout)).toMatchObject({ status: "created", pid });
    expect(await call("start", "c")).toEqual({ exitCode: 0, stdout: "", stderr: "" });
    const processFile = join(runtime.base, "process.json");
    writeFileSync(processFile, JSON.stringify({ args: ["true"], cwd: "/", env: ["PATH=/bin"] }));
    const exec = await call(
      ...["exec", "--process", processFile, "--detach", "--pid-file", "e.pid", "c"],
    );
    expect(exec.exitCode).toBe(0);
    expect(readFileSync(join(runtime.base, "e.pid"), "utf8")).toMatch(/^\d+$/);
    expect(JSON.parse((await call("ps", "--format", "json", "c")).stdout)).toContain(pid);
    expect((await call("kill", "--all", "c", "9")).exitCode).toBe(0);
    await runtime.untilStatus("c", "stopped");
    expect((await call("delete", "c")).exitCode).toBe(0);
    expect(logOf(runtime)).toEqual([]);
  });

  runtimeTest("an error is one line of the log and one sentence", async () => {
    await using runtime = new Runtime(["nothing"]);
    const call = engine(runtime);
    const { exitCode, stderr } = await call("create", "--bundle", "bundle", "c");
    const sentence = 'exec: "nothing": executable file not found in $PATH';
    expect(stderr).toBe(`tspod-oci: ${sentence}\n`);
    expect(exitCode).toBe(1);
    expect(logOf(runtime)).toMatchObject([{ level: "error", msg: sentence }]);
    expect(Date.parse(logOf(runtime)[0]?.time ?? "")).toBeGreaterThan(Date.now() - 60_000);
    // what containerd looks for when it kills what has ended (pkg/process "checkKillError")
    expect((await call("kill", "c", "9")).stderr).toContain("does not exist");
  });

  runtimeTest("--version, --help, and options that are for other runtimes", async () => {
    await using runtime = new Runtime();
    const call = engine(runtime);
    expect((await call("--version")).stdout).toBe(
      `tspod-oci version ${packageJson.version}\nspec: 1.2.0\n`,
    );
    expect((await call("-v")).exitCode).toBe(0);
    for (const words of [["--help"], ["-h"], ["create", "--help"], []]) {
      expect((await call(...words)).stdout).toContain("Usage: tspod oci");
    }
    const ignored = ["--debug", "--rootless=true", "--cgroup-manager=disabled"];
    expect((await call(...ignored, "list")).exitCode).toBe(0);
    expect((await call("--cgroup-manager=other", "list")).stderr).toContain(
      "unknown cgroup manager",
    );
    expect((await call("--log-format=xml", "list")).stderr).toContain("unknown log format");
    const features = JSON.parse((await call("features")).stdout) as Record<string, unknown>;
    expect(features).toMatchObject({
      ociVersionMin: "1.0.0",
      linux: { seccomp: { enabled: true } },
    });
  });
});
