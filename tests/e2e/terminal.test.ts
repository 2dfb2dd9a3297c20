/** A person at a terminal: raw mode, size, Ctrl-C, Ctrl-Z, detach keys. */
import { describe, expect } from "bun:test";
import { registryPrograms, testWith } from "../support/requirements.ts";
import { sharedWorld } from "../support/shared-world.ts";
import { atTerminal, atShell } from "../support/terminal.ts";
import { until } from "../support/wait.ts";

const test = testWith(...registryPrograms);
const shared = sharedWorld({ images: ["tiny"] });
const shell = ["tiny", "sh", "-c", "PS1='in> ' exec sh -i"];

/** Says that it has the terminal: the shell's line editor leaves it raw until then, and Ctrl-C would be a letter. */
const job = `sh -c 'echo sta""rted; exec sleep 1000'\r`;

describe("run -it", () => {
  test("a shell with a terminal of its own, of our size; resized with ours", async () => {
    await using session = atTerminal(shared.world, ["run", "--rm", "-it", ...shell], {
      columns: 91,
      rows: 33,
    });
    await session.sees("in> ");
    session.type("tty; stty size; id -u\r");
    await session.sees(/\/dev\/(pts\/0|console)/);
    await session.sees("33 91");
    session.terminal.resize(70, 20);
    session.type("stty size\r");
    await until("the new size is seen inside", async () => {
      session.type("stty size\r");
      return session.shown().includes("20 70");
    });
    session.type("exit 5\r");
    expect(await session.exit()).toBe(5);
  });

  test("our terminal is raw meanwhile and as before afterwards", async () => {
    await using session = atTerminal(shared.world, ["run", "--rm", "-it", ...shell]);
    const before = session.terminal.localFlags;
    await session.sees("in> ");
    expect(session.isRaw()).toBe(true);
    session.type("exit\r");
    expect(await session.exit()).toBe(0);
    expect(session.terminal.localFlags).toBe(before);
  });

  test("Ctrl-C reaches the program inside, not us", async () => {
    await using session = atTerminal(shared.world, ["run", "--rm", "-it", ...shell]);
    await session.sees("in> ");
    session.type(job);
    await session.sees("started");
    session.type("\x03");
    await session.sees("in> ");
    session.type("echo status $?\r");
    await session.sees("status 130");
    session.type("exit\r");
    expect(await session.exit()).toBe(0);
  });

  test("Ctrl-Z stops the job inside, and fg goes on with it", async () => {
    await using session = atTerminal(shared.world, ["run", "--rm", "-it", ...shell]);
    await session.sees("in> ");
    session.type(job);
    await session.sees("started");
    session.type("\x1a");
    await session.sees("Stopped");
    await session.sees("in> ");
    session.type("jobs\r");
    await session.sees(/Stopped.*sleep 1000/);
    session.type("kill %1; exit 0\r");
    session.type("exit 0\r");
    expect(await session.exit()).toBe(0);
  });

  test("Ctrl-D ends the shell", async () => {
    await using session = atTerminal(shared.world, ["run", "--rm", "-it", ...shell]);
    await session.sees("in> ");
    session.type("\x04");
    expect(await session.exit()).toBe(0);
  });

  test("TERM is ours", async () => {
    await using session = atTerminal(shared.world, [
      "run",
      "--rm",
      "-it",
      "tiny",
      "sh",
      "-c",
      "echo T=$TERM",
    ]);
    await session.sees("T=xterm");
    expect(await session.exit()).toBe(0);
  });

  test("-t without a terminal on standard input is refused or works, never garbles", async () => {
    const { exitCode, stdout } = await shared.world.tspod([
      "run",
      "--rm",
      "-t",
      "tiny",
      "echo",
      "x",
    ]);
    expect([0, 125]).toContain(exitCode);
    if (exitCode === 0) expect(stdout).toBe("x\r\n");
  });
});

describe("detaching", () => {
  test("ctrl-p ctrl-q leaves it running, logs and all", async () => {
    const { world } = shared;
    await using session = atTerminal(world, ["run", "-it", "--name", "left", ...shell]);
    await session.sees("in> ");
    session.type("\x10\x11");
    expect(await session.exit()).toBe(0);
    expect(session.isRaw()).toBe(false);
    expect(await world.ok("ps", "--format", "{{.Names}}")).toBe("left");
    await world.ok("rm", "-f", "left");
  });

  test("ctrl-p alone goes through", async () => {
    await using session = atTerminal(shared.world, [
      "run",
      "--rm",
      "-it",
      "tiny",
      "sh",
      "-c",
      "stty raw -echo; echo go; head -c 2 | od -An -tx1",
    ]);
    await session.sees("go");
    session.type("\x10x");
    await session.sees("10 78");
    expect(await session.exit()).toBe(0);
  });

  test("--detach-keys chooses others", async () => {
    const { world } = shared;
    const flags = ["--detach-keys", "ctrl-x,d", "--name", "chosen"];
    await using session = atTerminal(world, ["run", "-it", ...flags, ...shell]);
    await session.sees("in> ");
    session.type("\x18d");
    expect(await session.exit()).toBe(0);
    await world.ok("rm", "-f", "chosen");
  });
});

describe("exec -it", () => {
  test("a shell in what runs, with its own terminal and status", async () => {
    const { world } = shared;
    const id = await world.ok("run", "-d", "tiny", "sleep", "1000");
    await using session = atTerminal(
      world,
      ["exec", "-it", id, "sh", "-c", "PS1='in> ' exec sh -i"],
      {
        columns: 77,
        rows: 22,
      },
    );
    await session.sees("in> ");
    session.type("stty size; exit 6\r");
    await session.sees("22 77");
    expect(await session.exit()).toBe(6);
    await world.ok("rm", "-f", id);
  });
});

describe("at a shell's prompt, without -t", () => {
  test("Ctrl-C ends the foreground container", async () => {
    await using session = atShell(shared.world);
    await session.sees("ready> ");
    session.type("$TSPOD run --rm --init tiny sh -c 'echo on; exec sleep 1000'\r");
    await session.sees("on\r\n");
    session.type("\x03");
    await session.sees("ready> ");
    session.type("echo status $?\r");
    await session.sees("status 130");
    session.type("exit\r");
    await session.exit();
  });

  test("Ctrl-Z gives the prompt back, fg goes on", async () => {
    await using session = atShell(shared.world);
    await session.sees("ready> ");
    // newlines, not returns: bash may still be between its raw mode and the job's cooked one
    session.type("$TSPOD run --rm -i tiny cat\r");
    await session.sees("tiny cat\r\n");
    session.type("first\n");
    await session.sees("first\r\nfirst\r\n");
    session.type("\x1a");
    await session.sees("Stopped");
    await session.sees("ready> ");
    session.type("fg\r");
    await session.sees("tiny cat\r\n");
    session.type("second\n");
    await session.sees(/second\r?\n[^\n]*second\r\n/);
    session.type("\x04");
    await session.sees("ready> ");
    session.type("exit\r");
    await session.exit();
  });
});
