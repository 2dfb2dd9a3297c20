/** Terminals: raw while attached and as before afterwards, keys and sizes go in, detaching leaves the container alone. */
import { describe, expect } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { until } from "../support/wait.ts";
import { attached, Container, type ContainerOptions, runtimeTest } from "./runtime-fixture.ts";
import { isRaw, screen, terminalOf, type } from "./terminal-fixture.ts";

const interactive = { ...attached, stdin: true };
/** The prompt cannot be taken for its own echo. */
const shell = ["sh", "-c", "PS1='in''> ' exec sh -i"];

function withTerminal(args: string[], helper: ContainerOptions["helper"] = {}): Container {
  return new Container(args, {
    terminal: true,
    helper: { stdinOpen: true, attach: interactive, ...helper },
  });
}

describe("a foreground terminal", () => {
  runtimeTest("is the container's own, has our size, and follows it", async () => {
    await using container = withTerminal(shell);
    const display = screen({ columns: 91, rows: 33 });
    const run = container.start(display.options);
    await display.sees("in> ");
    type(run, "tty; stty size; ls /dev/pts; readlink /proc/self/fd/0\r");
    await display.sees("/dev/pts/0\r\n33 91\r\n0     ptmx\r\n/dev/pts/0");
    terminalOf(run).resize(70, 20);
    type(
      run,
      "trap 'stty size' WINCH; while ! stty size | grep -q '20 70'; do sleep 0.01; done; echo re''sized\r",
    );
    await display.sees("resized");
    type(run, "exit 5\r");
    const { last, status } = await run.outcome;
    expect({ last, status }).toEqual({ last: { event: "exited", code: 5 }, status: 5 });
  });

  runtimeTest("is raw meanwhile and as before afterwards", async () => {
    await using container = withTerminal(shell);
    const display = screen();
    const run = container.start(display.options);
    const before = terminalOf(run).localFlags;
    await display.sees("in> ");
    expect(isRaw(run)).toBe(true);
    type(run, "exit\r");
    await run.outcome;
    expect(terminalOf(run).localFlags).toBe(before);
  });

  runtimeTest("is as before also when the program was killed", async () => {
    await using container = withTerminal(["sh", "-c", "echo on; sleep 1000"]);
    const display = screen();
    const run = container.start(display.options);
    await display.sees("on");
    await container.control({ op: "signal", signal: 9 });
    expect((await run.outcome).last).toEqual({ event: "exited", code: 137, signal: 9 });
    expect(isRaw(run)).toBe(false);
  });

  runtimeTest("Ctrl-C is a byte to us and a signal inside", async () => {
    await using container = withTerminal([
      "sh",
      "-c",
      "trap 'echo caught; exit 3' INT; echo on; while :; do sleep 0.05; done",
    ]);
    const display = screen();
    const run = container.start(display.options);
    await display.sees("on");
    type(run, "\x03");
    await display.sees("caught");
    expect((await run.outcome).last).toEqual({ event: "exited", code: 3 });
  });

  runtimeTest("Ctrl-C reaches a container without one, whoever else was told", async () => {
    const script = "trap 'echo caught; exit 3' INT; echo on; while :; do sleep 0.05; done";
    await using container = new Container(["sh", "-c", script], { helper: { attach: attached } });
    const display = screen();
    const run = container.start(display.options);
    await display.sees("on");
    type(run, "\x03"); // we are its parent, and pass nothing on
    await display.sees("caught");
    expect((await run.outcome).last).toEqual({ event: "exited", code: 3 });
  });

  runtimeTest("every byte goes through, but the detach keys", async () => {
    await using container = withTerminal([
      "sh",
      "-c",
      "stty raw -echo; echo on; head -c 7 | od -An -tx1",
    ]);
    const display = screen();
    const run = container.start(display.options);
    await display.sees("on");
    type(run, "\x10x\x03\x04\x1a\x00\xff".slice(0, 6));
    terminalOf(run).write(new Uint8Array([255]));
    await display.sees("10 78 03 04 1a 00 ff");
    expect((await run.outcome).last).toEqual({ event: "exited", code: 0 });
  });

  runtimeTest("ends with the program while somebody types", async () => {
    await using container = withTerminal(["sh", "-c", "echo on; read line; exit 4"]);
    const display = screen();
    const run = container.start(display.options);
    await display.sees("on");
    type(run, "x\r" + "and so on ".repeat(50_000));
    expect((await run.outcome).last).toEqual({ event: "exited", code: 4 });
    expect(isRaw(run)).toBe(false);
  });

  runtimeTest("what is written last arrives whole", async () => {
    await using container = withTerminal(["seq", "50000"]);
    const display = screen();
    await container.start(display.options).outcome;
    await display.sees("\r\n50000\r\n");
  });

  runtimeTest(
    "without -i shows output, forwards nothing and leaves our terminal as it is",
    async () => {
      await using container = withTerminal(["sh", "-c", "tty; echo on; read x; echo never"], {
        ...{ stdinOpen: false, attach: attached },
      });
      const display = screen();
      const run = container.start(display.options);
      await display.sees("on\r"); // and a second return: our own terminal adds it
      expect(isRaw(run)).toBe(false);
      type(run, "word\r");
      await display.sees("word"); // our terminal's own echo
      await container.control({ op: "stop", signal: 15, timeoutMs: 20 });
      expect((await run.outcome).last).toEqual({ event: "exited", code: 137, signal: 9 });
      expect(display.shown()).not.toContain("never");
    },
  );
});

describe("detaching", () => {
  runtimeTest("gives our terminal back, and attaching again goes on", async () => {
    await using container = withTerminal(shell);
    const first = screen();
    const run = container.start(first.options);
    await first.sees("in> ");
    type(run, "kept=yes\r\x10\x11");
    const { last, status } = await run.outcome;
    expect({ last, status }).toEqual({ last: { event: "detached" }, status: 0 });
    expect(isRaw(run)).toBe(false);

    const second = screen({ columns: 66, rows: 11 });
    const words = ["--stdin", "--terminal", "--detach-keys", "16,17"];
    const again = container.attach(words, second.options);
    await again.started;
    type(again, "echo $kept; stty size\r");
    await second.sees("yes\r\n11 66\r\n");
    expect(isRaw(again)).toBe(true);
    type(again, "exit 6\r");
    expect((await again.outcome).last).toEqual({ event: "exited", code: 6 });
    expect(isRaw(again)).toBe(false);
  });

  runtimeTest("no keys: nothing detaches", async () => {
    await using container = withTerminal(
      ["sh", "-c", "stty raw -echo; echo on; head -c 2 | od -An -tx1"],
      {
        attach: { ...interactive, detachKeys: [] },
      },
    );
    const display = screen();
    const run = container.start(display.options);
    await display.sees("on");
    type(run, "\x10\x11");
    await display.sees("10 11");
    expect((await run.outcome).last).toEqual({ event: "exited", code: 0 });
  });

  runtimeTest("a client that is killed leaves the container running", async () => {
    await using container = withTerminal(shell);
    const display = screen();
    const run = container.start(display.options);
    await display.sees("in> ");
    run.process.kill("SIGKILL");
    await run.outcome;
    expect(await container.control({ op: "ping" })).toMatchObject({ ok: true });
    const second = screen();
    const again = container.attach(["--stdin", "--terminal"], second.options);
    await again.started;
    type(again, "echo still $$; exit\r");
    await second.sees("still 1");
    expect((await again.outcome).last).toEqual({ event: "exited", code: 0 });
  });

  runtimeTest("a detached terminal is nobody's hangup: it costs no time", async () => {
    await using container = withTerminal(["sleep", "1000"], { attach: undefined as never });
    await container.run();
    const { monitorPid } = container.state();
    const ticks = async (): Promise<string> =>
      (await Bun.file(`/proc/${monitorPid}/stat`).text()).split(" ").slice(13, 15).join(" ");
    const before = await ticks();
    for (let i = 0; i < 20; i++) await container.control({ op: "ping" });
    expect(await ticks()).toBe(before);
  });
});

describe("exec with a terminal", () => {
  runtimeTest("has one of its own, and hands back the status", async () => {
    await using container = new Container(["sleep", "1000"]);
    await container.run();
    const display = screen({ columns: 77, rows: 22 });
    const options = {
      stdinOpen: true,
      attach: interactive,
      process: { args: shell, terminal: true },
    };
    const exec = container.startExec(shell, options, display.options);
    await display.sees("in> ");
    expect(isRaw(exec)).toBe(true);
    type(exec, "tty; stty size; exit 7\r");
    await display.sees("/dev/pts/0\r\n22 77\r\n");
    expect((await exec.outcome).last).toEqual({ event: "exited", code: 7 });
    expect(isRaw(exec)).toBe(false);
  });

  runtimeTest("is refused where the container has put something else on /dev/pts", async () => {
    await using container = new Container(
      [
        "sh",
        "-c",
        "mount -t tmpfs none /dev/pts && mknod /dev/pts/ptmx p && touch /ready && sleep 1000",
      ],
      { capabilities: ["CAP_SYS_ADMIN", "CAP_MKNOD"], helper: { attach: attached } },
    );
    container.start();
    const isReady = (): boolean => existsSync(join(container.directory, "upper/ready"));
    await until("it has mounted", isReady);
    const { last } = await container.exec(["true"], {
      process: { args: ["true"], terminal: true },
    });
    expect(last).toMatchObject({
      event: "failed",
      call: "terminal",
      detail: "/dev/pts is no devpts",
    });
  });
});
