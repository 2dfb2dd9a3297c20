/** runtime.md: what create, start, state, kill, delete and run do, and what they refuse. */
import { describe, expect } from "bun:test";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { until } from "../support/wait.ts";
import { Runtime, runtimeTest } from "./runtime.ts";

const waits = ["sh", "-c", "echo ready; exec sleep 1000"];

describe("life of a container", () => {
  runtimeTest("create, start, kill, delete: the state says where it is", async () => {
    await using runtime = new Runtime(waits, (spec) => {
      spec.annotations = { "org.example": "yes" };
    });
    const pidFile = join(runtime.base, "pid");
    await runtime.create("c", "--pid-file", pidFile);
    const created = await runtime.state("c");
    expect(created).toMatchObject({
      ...{ ociVersion: "1.2.0", id: "c", status: "created", bundle: runtime.bundle },
      ...{ pid: Number(readFileSync(pidFile, "utf8")), annotations: { "org.example": "yes" } },
    });
    await runtime.ok("start", "c");
    expect(await runtime.state("c")).toEqual({ ...created, status: "running" });
    await runtime.ok("kill", "c", "KILL");
    const stopped = await runtime.untilStatus("c", "stopped");
    expect(stopped.pid).toBe(0);
    await runtime.ok("delete", "c");
    expect(await runtime.oci("state", "c")).toMatchObject({ exitCode: 1 });
    expect(runtime.containers()).toEqual([]);
  });

  runtimeTest("changes of config.json after create do not count", async () => {
    await using runtime = new Runtime(["touch", "/tmp/first"]);
    await runtime.create("c");
    writeFileSync(join(runtime.bundle, "config.json"), "nonsense");
    await runtime.ok("start", "c");
    await runtime.untilStatus("c", "stopped");
    expect(existsSync(join(runtime.bundle, "rootfs/tmp/first"))).toBe(true);
    await runtime.ok("delete", "c");
  });

  runtimeTest("run: its status and its output are the program's, and nothing is left", async () => {
    await using runtime = new Runtime(["sh", "-c", "cat; echo err >&2; exit 42"]);
    const started = runtime.start(["run", "--bundle=bundle", "c"]);
    started.process.stdin.write("in");
    await started.process.stdin.end();
    expect(await started.result).toEqual({ exitCode: 42, stdout: "in", stderr: "err\n" });
    expect(runtime.containers()).toEqual([]);
  });

  runtimeTest("run: a signal goes to the program; one that ends it is 128 + n", async () => {
    const script = "trap 'exit 9' USR1; touch /tmp/up; while :; do sleep 0.01; done";
    await using runtime = new Runtime(["sh", "-c", script]);
    const started = runtime.start(["run", "-b", "bundle", "c"]);
    const up = join(runtime.bundle, "rootfs/tmp/up");
    await until("it listens", () => existsSync(up));
    started.process.kill("SIGUSR1");
    expect((await started.result).exitCode).toBe(9);
    const other = runtime.start(["run", "-b", "bundle", "d"]);
    await runtime.untilStatus("d", "running");
    await runtime.ok("kill", "d", "9");
    expect((await other.result).exitCode).toBe(137);
  });

  runtimeTest("run --detach leaves it running, run --keep leaves its record", async () => {
    await using runtime = new Runtime(waits);
    await runtime.ok("run", "--detach", "--bundle", "bundle", "c");
    expect(await runtime.state("c")).toMatchObject({ status: "running" });
    runtime.makeBundle(join(runtime.base, "short"), ["true"]);
    await runtime.ok("run", "--keep", "--bundle", "short", "d");
    expect(await runtime.state("d")).toMatchObject({ status: "stopped" });
  });
});

describe("what is refused, with words that engines know", () => {
  const refused = async (runtime: Runtime, words: string[], sentence: string | RegExp) => {
    const { exitCode, stderr } = await runtime.oci(...words);
    expect(stderr).toMatch(sentence);
    expect(exitCode).toBe(1);
  };

  runtimeTest("of a container that is not there", async () => {
    await using runtime = new Runtime();
    for (const verb of ["state", "start", "kill", "delete"]) {
      await refused(runtime, [verb, "nobody"], 'container does not exist: "nobody"');
    }
    await runtime.ok("delete", "--force", "nobody");
  });

  runtimeTest("what does not fit the state", async () => {
    await using runtime = new Runtime(waits);
    await runtime.create("c");
    await refused(
      runtime,
      ["create", "-b", "bundle", "c"],
      /container with given ID already exists/,
    );
    await refused(runtime, ["delete", "c"], /not stopped/);
    await runtime.ok("start", "c");
    await refused(runtime, ["start", "c"], /it is running/);
    await refused(runtime, ["delete", "c"], /not stopped/);
    await runtime.ok("kill", "c", "SIGKILL");
    await runtime.untilStatus("c", "stopped");
    await refused(runtime, ["kill", "c", "TERM"], /container not running/);
    await refused(runtime, ["start", "c"], /has stopped/);
    await runtime.ok("delete", "c");
  });

  runtimeTest("a program that is not there, or cannot be executed, at create", async () => {
    await using runtime = new Runtime(["nothing"]);
    await refused(runtime, ["create", "-b", "bundle", "c"], /executable file not found in \$PATH/);
    runtime.makeBundle(join(runtime.base, "path"), ["/no/such"]);
    await refused(runtime, ["create", "-b", "path", "c"], /no such file or directory/);
    runtime.makeBundle(join(runtime.base, "file"), ["/etc"]);
    await refused(runtime, ["create", "-b", "file", "c"], /permission denied/);
    expect(runtime.containers()).toEqual([]);
  });

  runtimeTest("ids that are no names, bundles that are none", async () => {
    await using runtime = new Runtime();
    for (const id of ["", ".", "..", "a/b", "a b", "../../x", "x".repeat(256)]) {
      const { exitCode } = await runtime.oci("create", "-b", "bundle", id);
      expect(exitCode).toBe(1);
    }
    await refused(runtime, ["create", "-b", "nowhere", "c"], /no such file or directory/);
    mkdirSync(join(runtime.base, "empty"));
    await refused(
      runtime,
      ["create", "-b", "empty", "c"],
      /config.json.*no such file or directory/,
    );
    writeFileSync(join(runtime.base, "empty/config.json"), '{"process":');
    await refused(runtime, ["create", "-b", "empty", "c"], /config.json:1:/);
    await refused(runtime, ["create"], /usage/);
    await refused(runtime, ["creat", "x"], /unknown command/);
    await refused(runtime, ["create", "--bundel", "x"], /no option/);
    expect(runtime.containers()).toEqual([]);
  });
});

describe("whoever comes at the same time", () => {
  runtimeTest("one of many creates has the id, one of many starts has the start", async () => {
    await using runtime = new Runtime(["sh", "-c", "echo x >> /tmp/started; exec sleep 1000"]);
    const eight = Array.from({ length: 8 });
    const words = ["create", "-b", "bundle", "c"];
    const outcomes = await Promise.all(
      eight.map(async () => {
        const child = runtime.start(words);
        await child.process.exited;
        return child.process.exitCode;
      }),
    );
    expect(outcomes.filter((code) => code === 0)).toHaveLength(1);
    const starts = await Promise.all(
      eight.map(async () => {
        const child = runtime.start(["start", "c"]);
        return (await child.result).exitCode;
      }),
    );
    expect(starts.filter((code) => code === 0)).toHaveLength(1);
    const started = join(runtime.bundle, "rootfs/tmp/started");
    await until("it has written", () => existsSync(started) && readFileSync(started, "utf8"));
    expect(readFileSync(started, "utf8")).toBe("x\n");
  });
});
