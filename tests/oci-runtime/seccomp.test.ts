/** SCMP_ACT_NOTIFY on the command line: who is told of what, and that the answer of a real agent is the program's. */
import { describe, expect } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { RuntimeSpec } from "../../src/oci/runtime-spec.ts";
import { program, testWith } from "../support/requirements.ts";
import { until } from "../support/wait.ts";
import { seccompAgent } from "./agent.ts";
import { Runtime } from "./runtime.ts";

const test = testWith(program("busybox", "busybox-static"), program("perl"));

const exdev = 18;
const answered = "Invalid cross-device link"; // nothing but the agent says that of a mkdir
const tryIt = "mkdir /tmp/x 2>&1; echo status $?; test -d /tmp/x || echo none";

function asking(path: string) {
  return (spec: RuntimeSpec): void => {
    spec.annotations = { "org.example.key": "value" };
    spec.linux.seccomp = {
      ...{ defaultAction: "SCMP_ACT_ALLOW", architectures: [] },
      ...{ listenerPath: path, listenerMetadata: "meta=1" },
      syscalls: [{ names: ["mkdir", "mkdirat"], action: "SCMP_ACT_NOTIFY" }],
    } as NonNullable<typeof spec.linux.seccomp>; // our own profiles never notify
  };
}

/** A runtime whose container's mkdir is answered for by whoever listens at `path`. */
function withAgent(script: string): { runtime: Runtime; path: string } {
  const runtime = new Runtime();
  const path = join(runtime.base, "agent.sock");
  runtime.makeBundle(join(runtime.base, "asking"), ["sh", "-c", script], asking(path));
  return { runtime, path };
}

const state = (runtime: Runtime, status: string, pid: number) => ({
  ...{ ociVersion: "1.2.0", id: "c", status, pid, bundle: join(runtime.base, "asking") },
  annotations: { "org.example.key": "value" },
});
const told = { ociVersion: "1.2.0", fds: ["seccompFd"], metadata: "meta=1" };

describe("an agent", () => {
  test("is told by start, and by exec, of the process, and its answer counts", async () => {
    const { runtime: opened, path } = withAgent(`(${tryIt}) > /tmp/told; exec sleep 1000`);
    await using runtime = opened;
    await using agent = await seccompAgent(path, [exdev, 0]);
    await runtime.ok("create", "--bundle", "asking", "c");
    const { pid } = await runtime.state("c");
    await runtime.ok("start", "c");
    const file = join(runtime.base, "asking/rootfs/tmp/told");
    await until("it has told", () =>
      readFileSync(file, { encoding: "utf8", flag: "a+" }).includes("none\n"),
    );
    expect(readFileSync(file, "utf8")).toMatch(new RegExp(`${answered}\nstatus 1\nnone\n$`));

    const pidFile = join(runtime.base, "exec.pid");
    const done = await runtime.ok(
      "exec",
      "--pid-file",
      pidFile,
      "c",
      "sh",
      "-c",
      `exec mkdir /tmp/x`,
    );
    expect(done).toBe(""); // success, says the agent
    expect(
      await runtime.ok("exec", "c", "sh", "-c", "test -d /tmp/x || echo none").catch(String),
    ).toContain("nobody takes notifications");

    const further = Number(readFileSync(pidFile, "utf8"));
    expect(await agent.notified).toEqual([
      {
        ...{ descriptors: 1, pid: expect.any(Number) },
        state: { ...told, pid, state: state(runtime, "created", pid) },
      },
      {
        ...{ descriptors: 1, pid: further },
        state: { ...told, pid: further, state: state(runtime, "running", pid) },
      },
    ]);
  });

  test("is told by run", async () => {
    const { runtime: opened, path } = withAgent(`exec mkdir /tmp/x`);
    await using runtime = opened;
    await using agent = await seccompAgent(path, [exdev]);
    const { exitCode, stderr } = await runtime.oci("run", "--bundle", "asking", "c");
    expect(exitCode).toBe(1);
    expect(stderr).toContain(answered);
    const [first] = await agent.notified;
    const pid = first?.pid ?? 0;
    expect(first?.state).toEqual({ ...told, pid, state: state(runtime, "creating", pid) });
  });

  test("that is not there: create and run fail in a sentence, nothing runs", async () => {
    const { runtime: opened } = withAgent("echo ran > /tmp/ran");
    await using runtime = opened;
    for (const verb of ["create", "run"]) {
      const { exitCode, stderr } = await runtime.oci(verb, "--bundle", "asking", "c");
      expect(stderr).toContain("nobody takes notifications at listenerPath");
      expect(exitCode).toBe(1);
      expect(runtime.containers()).toEqual([]);
    }
    expect(await Bun.file(join(runtime.base, "asking/rootfs/tmp/ran")).exists()).toBe(false);
  });

  test("that has gone before start: start fails in a sentence, nothing runs", async () => {
    const { runtime: opened, path } = withAgent("echo ran > /tmp/ran");
    await using runtime = opened;
    {
      await using _listens = await seccompAgent(path, [exdev]);
      await runtime.ok("create", "--bundle", "asking", "c");
    }
    const started = await runtime.oci("start", "c");
    expect(started.exitCode).toBe(1);
    expect(started.stderr).toContain("nobody takes notifications at listenerPath");
    await runtime.untilStatus("c", "stopped");
    await runtime.ok("delete", "c");
    expect(await Bun.file(join(runtime.base, "asking/rootfs/tmp/ran")).exists()).toBe(false);
  });
});
