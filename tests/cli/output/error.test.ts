/** What the user reads when something went wrong, and what a script gets. */
import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { TspodError } from "../../../src/errors.ts";
import { formatMessage, unexpected } from "../../../src/cli/output/error.ts";
import { until } from "../../support/wait.ts";

const plain = { isColoured: false };

describe("formatMessage()", () => {
  test("is a sentence and what to do next", () => {
    const error = new TspodError("image.not_found", 'Cannot find image "x"', {
      next: "tspod pull x\ntspod images lists what is here",
    });
    expect(formatMessage("Error", error, plain)).toBe(
      'Error: Cannot find image "x"\n  tspod pull x\n  tspod images lists what is here\n',
    );
    expect(formatMessage("Warning", { message: "careful" }, plain)).toBe("Warning: careful\n");
  });

  test("colours its first word only", () => {
    expect(formatMessage("Error", { message: "no" }, { isColoured: true })).toBe(
      "\x1b[1;31mError:\x1b[0m no\n",
    );
  });

  test("what it quotes cannot act on the terminal or forge a line", () => {
    const hostile = { message: "a\x1b[2J\nError: b\r\u202e", next: "c\x07\x9b1m" };
    expect(formatMessage("Error", hostile, plain)).toBe(
      "Error: a\\x1b[2J\\nError: b\\r\\u202e\n  c\\x07\\x9b1m\n",
    );
  });
});

describe("unexpected()", () => {
  test.each(["SQLITE_FULL", "ENOSPC", "EDQUOT"])("%s is a full disk", (code) => {
    const cause = Object.assign(new Error("x"), { code });
    expect(unexpected(cause)).toMatchObject({ code: "store.full", exitCode: 125, cause });
  });

  test.each([
    ["EAGAIN", "posix_spawn", "/proc/self/exe", "host.limit", "ulimit -u"],
    ["EMFILE", "open", "/x", "host.limit", "ulimit -n"],
    ["ENOMEM", "mmap", undefined, "host.limit", "ulimit -v"],
    ["EACCES", "mkdir", "/x/y", "store.unwritable", "umask"],
  ])("%s of %s is the host's word, and says what lifts it", (code, syscall, path, kind, next) => {
    const error = unexpected(Object.assign(new Error("x"), { code, syscall, path }));
    expect(error).toMatchObject({ code: kind, exitCode: 125, next: expect.stringContaining(next) });
    expect(error.message).toContain(code);
  });

  test.each<[unknown, string]>([
    [Object.assign(new Error("EAGAIN"), { code: "EAGAIN" }), "EAGAIN"],
    [new Error("boom"), "boom"],
    [new TypeError(""), "TypeError"],
    ["text", "text"],
    [undefined, "undefined"],
    [null, "null"],
    [{ message: 3 }, "[object Object]"],
  ])("%# is a fault of ours and says how to see where", (thrown, message) => {
    const error = unexpected(thrown);
    expect(error).toMatchObject({ code: "internal", message, exitCode: 125 });
    expect(error.next).toContain("TSPOD_DEBUG=1");
  });
});

describe("printError()", () => {
  const module = join(import.meta.dir, "../../../src/cli/output/error.ts");
  const script = `
    import { printError } from ${JSON.stringify(module)};
    process.exit(printError(new Error("boom"), process.env));`;
  const run = (environment: Record<string, string>) =>
    Bun.spawnSync([process.execPath, "-e", script], { env: environment });

  test("writes to standard error alone, without colour where that is no terminal", () => {
    const { exitCode, stdout, stderr } = run({});
    expect({ exitCode, stdout: stdout.toString(), stderr: stderr.toString() }).toEqual({
      exitCode: 125,
      stdout: "",
      stderr: "Error: boom\n  this is a fault of tspod; TSPOD_DEBUG=1 shows where\n",
    });
  });

  test("shows the stack with TSPOD_DEBUG=1, and not with it empty", () => {
    expect(run({ TSPOD_DEBUG: "1" }).stderr.toString()).toMatch(/\n\s+at /);
    expect(run({ TSPOD_DEBUG: "" }).stderr.toString()).not.toMatch(/\n\s+at /);
  });

  test.each<[string, Record<string, string>, boolean]>([
    ["colours its first word on a terminal", { TERM: "xterm" }, true],
    ["heeds NO_COLOR", { TERM: "xterm", NO_COLOR: "1" }, false],
    ["takes an empty NO_COLOR for none", { TERM: "xterm", NO_COLOR: "" }, true],
    ["heeds TERM=dumb", { TERM: "dumb" }, false],
  ])("%s", async (_, environment, isColoured) => {
    let shown = "";
    const child = Bun.spawn([process.execPath, "-e", script], {
      env: environment,
      terminal: { data: (_terminal, bytes) => void (shown += new TextDecoder().decode(bytes)) },
    });
    await child.exited;
    await until("all of it is shown", () => shown.includes("shows where"));
    expect(shown.startsWith("\x1b[1;31mError:\x1b[0m boom")).toBe(isColoured);
  });
});
