/** A container's terminal when nobody takes it over a console socket: ours is connected with it. */
import { describe, expect } from "bun:test";
import { openSession } from "../support/terminal.ts";
import { tspodFile } from "../support/world.ts";
import { Runtime, runtimeTest } from "./runtime.ts";

const atTerminal = (runtime: Runtime, words: string[], size = { columns: 80, rows: 24 }) =>
  openSession(
    [tspodFile, "oci", "--root", runtime.root, ...words],
    { home: runtime.base, environment: runtime.environment },
    size,
  );

const interactive = (script: string): Runtime =>
  new Runtime(["sh", "-c", script], (spec) => {
    spec.process.terminal = true;
    spec.process.env = ["PATH=/bin", "PS1=ready> "];
  });

describe("run with a terminal", () => {
  runtimeTest("has a console of its own, with our size, raw on our side", async () => {
    await using runtime = interactive("tty; stty size; read line; echo got $line; exit 5");
    await using session = atTerminal(runtime, ["run", "-b", "bundle", "c"], {
      columns: 91,
      rows: 19,
    });
    await session.sees("/dev/pts/0");
    await session.sees("19 91");
    expect(session.isRaw()).toBe(true);
    session.type("typed\r");
    await session.sees("got typed");
    expect(await session.exit()).toBe(5);
    expect(session.isRaw()).toBe(false);
  });

  runtimeTest("follows our size; ^C is the container's", async () => {
    await using runtime = interactive("exec sh -i");
    await using session = atTerminal(runtime, ["run", "-b", "bundle", "c"]);
    await session.sees("ready> ");
    session.terminal.resize(101, 33);
    session.type("while [ \"$(stty size)\" != '33 101' ]; do :; done; echo re''sized\r");
    await session.sees("resized");
    // said by the process that is to be interrupted: ^C while a shell forks is the shell's own affair
    session.type("sh -c \"echo sle''eps; exec sleep 1000\"\r");
    await session.sees("sleeps");
    session.type("\x03");
    await session.sees("ready> ");
    session.type("exit 6\r");
    expect(await session.exit()).toBe(6);
  });

  runtimeTest("a pipe as standard input ends with ^D", async () => {
    await using runtime = interactive("cat; echo end");
    const started = runtime.start(["run", "-b", "bundle", "c"]);
    started.process.stdin.write("line\n");
    await started.process.stdin.end();
    const { exitCode, stdout } = await started.result;
    expect(stdout).toEndWith("line\r\nend\r\n");
    expect(exitCode).toBe(0);
  });

  runtimeTest("all that was written comes out, however much", async () => {
    await using runtime = interactive("seq 100000; echo end");
    const started = runtime.start(["run", "-b", "bundle", "c"]);
    const { stdout } = await started.result;
    expect(stdout).toEndWith("99999\r\n100000\r\nend\r\n");
    expect(stdout.split("\n")).toHaveLength(100002);
  });

  runtimeTest("detached it needs somebody to take it", async () => {
    await using runtime = interactive("true");
    for (const verb of [["create"], ["run", "--detach"]]) {
      const { exitCode, stderr } = await runtime.oci(...verb, "-b", "bundle", "c");
      expect(stderr).toContain("cannot allocate tty");
      expect(exitCode).toBe(1);
    }
    expect(runtime.containers()).toEqual([]);
  });
});

describe("exec with a terminal", () => {
  runtimeTest("has one of its own", async () => {
    await using runtime = new Runtime(["sleep", "1000"]);
    await runtime.ok("run", "-d", "-b", "bundle", "c");
    await using session = atTerminal(runtime, ["exec", "-t", "c", "sh", "-c", "tty; exit 8"]);
    await session.sees("/dev/pts/0");
    expect(await session.exit()).toBe(8);
  });
});
