/** The monitor: detached life, control.sock, attach.sock, what it records, what it costs, what its death means. */
import { describe, expect } from "bun:test";
import { existsSync, readFileSync, statSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { attachFrame } from "../../src/helper/contract.ts";
import { until } from "../support/wait.ts";
import { attached, Container, type ContainerOptions, runtimeTest } from "./runtime-fixture.ts";

async function detached(args: string[], options: ContainerOptions = {}): Promise<Container> {
  const container = new Container(args, options);
  const { last, status } = await container.run();
  expect(last).toMatchObject({ event: "started" });
  expect(status).toBe(0);
  return container;
}

function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false; // gone
  }
}

describe("a detached container", () => {
  runtimeTest("is described by state.json and answers on its control socket", async () => {
    await using container = await detached(["sleep", "1000"]);
    const state = container.state();
    expect(state).toMatchObject({ contract: 1, id: "c", status: "running" });
    expect(state.startedAt).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/);
    expect(isAlive(state.pid) && isAlive(state.monitorPid)).toBe(true);
    expect(await container.control({ op: "ping" })).toEqual({ ok: true, pid: state.pid });
    expect(statSync(container.runtimeDir).mode & 0o777).toBe(0o700);
  });

  runtimeTest("keeps none of the caller's streams open", async () => {
    // run() reads stdout, stderr and the events to their end: that it resolves is the proof
    await using container = await detached(["sh", "-c", "echo x; sleep 1000"]);
    expect(await container.control({ op: "ping" })).toMatchObject({ ok: true });
  });

  runtimeTest("costs one process, less memory than conmon, and no time", async () => {
    await using container = await detached(["sleep", "1000"]);
    const { monitorPid } = container.state();
    const ticks = (): string =>
      readFileSync(`/proc/${monitorPid}/stat`, "utf8").split(" ")[13] ?? "";
    const before = ticks();
    const status = readFileSync(`/proc/${monitorPid}/status`, "utf8");
    const residentKib = (): number =>
      Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${monitorPid}/status`, "utf8"))?.[1]);
    // it gives back what starting took once it has told that it started; Pss is never more than this
    await until("it is small", () => residentKib() > 0 && residentKib() < 550);
    expect(/^Threads:\s+1$/m.test(status)).toBe(true);
    expect(ticks()).toBe(before);
  });

  runtimeTest("records how it ended, and removes its runtime directory", async () => {
    await using container = await detached(["sh", "-c", "exit 3"]);
    await until("it has ended", () => !existsSync(container.runtimeDir));
    expect(container.exit()).toMatchObject({ exitCode: 3, oomKilled: false });
  });

  runtimeTest("with autoRemove leaves nothing, whoever its files belong to", async () => {
    const script =
      "mkdir -p /d/e /f; touch /d/e/x; chmod 0 /d/e; chown -R 1000 /d; mknod /f/p p; ln -s /etc /f/l; exit 3";
    await using container = await detached(["sh", "-c", script], { helper: { autoRemove: true } });
    await until(
      "it is gone",
      () => !existsSync(container.directory) && !existsSync(container.runtimeDir),
    );
    await until("the trash is empty", () => container.leftovers().length === 0);
  });

  runtimeTest("dies with its monitor", async () => {
    await using container = await detached(["sleep", "1000"]);
    const { pid, monitorPid } = container.state();
    process.kill(monitorPid, "SIGKILL");
    await until("the container is dead", () => !isAlive(pid));
    Bun.spawnSync(["rm", "-r", container.runtimeDir]); // nobody is left to do it; recovery's work
  });

  runtimeTest("survives a hangup of its monitor", async () => {
    await using container = await detached(["sleep", "1000"]);
    process.kill(container.state().monitorPid, "SIGHUP");
    expect(await container.control({ op: "ping" })).toMatchObject({ ok: true });
  });

  runtimeTest("asks the container to end when the monitor is asked", async () => {
    const script = "trap 'exit 4' TERM; touch /ready; while :; do sleep 0.05; done";
    await using container = await detached(["sh", "-c", script]);
    await until("it is ready", () => existsSync(join(container.directory, "upper/ready")));
    process.kill(container.state().monitorPid, "SIGTERM");
    await until("it has ended", () => !existsSync(container.runtimeDir));
    expect(container.exit()).toMatchObject({ exitCode: 4 });
  });
});

describe("control.sock", () => {
  runtimeTest("stop: the signal first, SIGKILL when that was not enough", async () => {
    await using container = await detached(["sleep", "1000"]); // process 1 does not hear SIGTERM
    const reply = await container.control({ op: "stop", signal: 15, timeoutMs: 50 });
    expect(reply).toEqual({ ok: true, exitCode: 137 });
    expect(container.exit()).toMatchObject({ exitCode: 137, signal: 9 });
  });

  runtimeTest("stop answers at once when the container obeys", async () => {
    const script = "trap 'exit 0' TERM; touch /ready; while :; do sleep 0.05; done";
    await using container = await detached(["sh", "-c", script]);
    await until("it is ready", () => existsSync(join(container.directory, "upper/ready")));
    const reply = await container.control({ op: "stop", signal: 15, timeoutMs: 600_000 });
    expect(reply).toEqual({ ok: true, exitCode: 0 });
  });

  runtimeTest("everybody who waits is answered", async () => {
    await using container = await detached(["sleep", "1000"]);
    const waiting = Array.from({ length: 20 }, () => container.control({ op: "wait" }));
    await container.control({ op: "signal", signal: 9 });
    for (const reply of await Promise.all(waiting))
      expect(reply).toEqual({ ok: true, exitCode: 137 });
  });

  runtimeTest("nonsense is refused, and harms nobody", async () => {
    await using container = await detached(["sleep", "1000"]);
    const answer = await talk(join(container.runtimeDir, "control.sock"), "{]\n");
    expect(JSON.parse(answer)).toEqual({ ok: false, errno: "EINVAL" });
    expect(await talk(join(container.runtimeDir, "control.sock"), "x".repeat(4096))).toContain(
      "E2BIG",
    );
    const reply = await container.control({ op: "signal", signal: 200 });
    expect(reply).toEqual({ ok: false, errno: "EINVAL" });
    expect(await container.control({ op: "ping" })).toMatchObject({ ok: true });
  });
});

describe("attach.sock", () => {
  const ticking = ["sh", "-c", "read x; echo got $x; sleep 1000"];
  const withStdin: ContainerOptions = { helper: { stdinOpen: true } };

  runtimeTest("native attach brings input in, output out, and the end", async () => {
    await using container = await detached(["sh", "-c", "read x; echo got $x; exit 6"], withStdin);
    const client = container.attach(["--stdin"], { stdin: Buffer.from("it\n") });
    const { stdout, last } = await client.outcome;
    expect(stdout).toBe("got it\n");
    expect(last).toEqual({ event: "exited", code: 6 });
  });

  runtimeTest("two clients both see everything", async () => {
    await using container = await detached(["sh", "-c", "read x; seq 20000"], withStdin);
    const watcher = container.attach([]);
    await watcher.started;
    const { stdout } = await container.attach(["--stdin"], { stdin: Buffer.from("go\n") }).outcome;
    const expected = Bun.spawnSync(["seq", "20000"]).stdout.toString();
    expect(stdout).toBe(expected);
    expect((await watcher.outcome).stdout).toBe(expected);
  });

  runtimeTest("a client that never reads is dropped and blocks nobody", async () => {
    await using container = await detached(["sh", "-c", "read x; seq 400000; echo end"], {
      helper: { stdinOpen: true, attach: undefined as never },
    });
    const stuck = connect(join(container.runtimeDir, "attach.sock"));
    stuck.pause();
    await until("it is connected", () => !stuck.connecting);
    const go = connect(join(container.runtimeDir, "attach.sock"));
    go.on("data", () => {});
    go.write(frame(attachFrame.stdin, Buffer.from("go\n")));
    await until("the container has ended", () => !existsSync(container.runtimeDir));
    stuck.destroy();
    go.destroy();
    expect(container.exit()).toMatchObject({ exitCode: 0 });
  });

  runtimeTest("broken frames drop that client only", async () => {
    await using container = await detached(ticking, withStdin);
    const answer = await talk(join(container.runtimeDir, "attach.sock"), "\xff".repeat(100));
    expect(answer).toBe("");
    expect(await container.control({ op: "ping" })).toMatchObject({ ok: true });
  });

  runtimeTest("says so when the container is not running", async () => {
    await using container = new Container(["true"], { helper: { attach: attached } });
    await container.run();
    expect((await container.attach([]).outcome).last).toMatchObject({ event: "failed" });
  });
});

function frame(type: number, bytes: Buffer): Buffer {
  const header = Buffer.alloc(8);
  header[0] = type;
  header.writeUInt32LE(bytes.length, 4);
  return Buffer.concat([header, bytes]);
}

function talk(socket: string, text: string): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  let answer = "";
  const connection = connect(socket, () => connection.write(text, "latin1"));
  connection.on("data", (bytes) => (answer += bytes.toString()));
  connection.on("error", () => resolve(answer));
  connection.on("close", () => resolve(answer));
  return promise;
}
