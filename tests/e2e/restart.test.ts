/** What a monitor does when a container ends: restart policies, their pauses, and what is written down about it. */
import { describe, expect } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Box, runBox } from "../support/boxes.ts";
import { registryPrograms, testWith } from "../support/requirements.ts";
import { sharedWorld } from "../support/shared-world.ts";
import { until } from "../support/wait.ts";

const test = testWith(...registryPrograms);
const shared = sharedWorld({ images: ["tiny"] });
const ok = (...words: string[]) => shared.world.ok(...words);
const tspod = (...words: string[]) => shared.world.tspod(words);

const box = (flags: string[], script: string): Promise<Box> =>
  runBox(shared.world, script, ...flags);

const inspect = async (id: string) => JSON.parse(await ok("inspect", id))[0];

/** What was written down about one container, in order: "died 1". */
function events(id: string): string[] {
  const text = readFileSync(join(shared.world.root, "data/events.jsonl"), "utf8");
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line))
    .filter((event) => event.id === id)
    .map(({ status, attributes }) => [status, attributes.exitCode].filter(Boolean).join(" "));
}

const running = (id: string) =>
  until("it runs", async () => (await inspect(id)).State.Status === "running");

describe("--restart", () => {
  test("on-failure:2 starts it again twice, then its end is one", async () => {
    await using it = await box(["--restart", "on-failure:2"], "echo again; exit 3");
    const ended = await until("it has ended", async () => {
      const { State, RestartCount } = await inspect(it.id);
      return State.Status === "exited" && { ...State, RestartCount };
    });
    expect(ended).toMatchObject({ ExitCode: 3, RestartCount: 2, Restarting: false, Error: "" });
    expect((await tspod("logs", it.id)).stdout).toBe("again\nagain\nagain\n");
    expect(events(it.id)).toEqual([
      "create",
      ...["start", "died 3", "restart", "start", "died 3", "restart", "start", "died 3"],
    ]);
  });

  test("on-failure leaves one that ended well", async () => {
    await using it = await box(["--restart", "on-failure"], "exit 0");
    await ok("wait", it.id);
    await until("it is over", async () => (await inspect(it.id)).State.Status === "exited");
    expect((await inspect(it.id)).RestartCount).toBe(0);
  });

  test("always: between two runs it is restarting, and stop ends that at once", async () => {
    await using it = await box(["--restart", "always"], "exit 1");
    const status = await until("the pause is long", async () => {
      const { RestartCount, State } = await inspect(it.id);
      return RestartCount >= 4 && State.Status === "restarting" && State;
    });
    expect(status).toMatchObject({ Running: true, Restarting: true, Pid: 0, ExitCode: 1 });
    expect(await ok("ps", "--format", "{{.State}} {{.Status}}", "-f", `id=${it.id}`)).toMatch(
      /^restarting Restarting \(1\) .* ago$/,
    );
    const exec = await tspod("exec", it.id, "true");
    expect(exec.exitCode).toBe(125);
    await ok("stop", it.id);
    expect((await inspect(it.id)).State).toMatchObject({ Status: "exited", Running: false });
    expect(events(it.id).at(-1)).toBe("stop");
  });

  test("a container that was stopped stays stopped; kill with another signal is no stop", async () => {
    const script = "trap 'exit 5' USR1; echo ready; while :; do sleep 0.05; done";
    await using it = await box(["--restart=always"], script);
    const starts = (count: number) =>
      until("it hears", async () => (await ok("logs", it.id)).match(/ready/g)?.length === count);
    await starts(1);
    await ok("kill", "-s", "USR1", it.id);
    await starts(2);
    await ok("stop", "-t", "0", it.id);
    const { State, RestartCount } = await inspect(it.id);
    expect(State).toMatchObject({ Status: "exited", ExitCode: 137 });
    expect(RestartCount).toBe(1);
    await ok("start", it.id);
    await running(it.id);
    await ok("kill", it.id);
    await until("it is over", async () => (await inspect(it.id)).State.Status === "exited");
  });

  test("rm -f takes one that rests, and --rm goes with the last end", async () => {
    await using it = await box(["--restart", "always", "--name", "resting"], "exit 1");
    await until("it rests", async () => (await inspect(it.id)).State.Status === "restarting");
    expect((await tspod("rm", "resting")).exitCode).toBe(2);
    await ok("rm", "-f", "resting");
    expect((await tspod("inspect", it.id)).exitCode).toBe(125);
    const gone = await ok("run", "-d", "--rm", "--restart=on-failure:1", "tiny", "false");
    const directory = join(shared.world.root, "data/containers", gone);
    await until("it is gone", () => !existsSync(directory));
    expect(events(gone)).toEqual([
      ...["create", "start", "died 1", "restart", "start", "died 1", "remove"],
    ]);
  });

  test("in the foreground the first end is the command's", async () => {
    const result = await tspod(
      "run",
      "--name",
      "front",
      "--restart=always",
      "tiny",
      "sh",
      "-c",
      "exit 4",
    );
    expect(result.exitCode).toBe(4);
    await ok("rm", "-f", "front");
  });

  test("a terminal is made anew each time", async () => {
    await using it = await box(["-t", "--restart=on-failure:3"], "tty; exit 1");
    await until("it is over", async () => (await inspect(it.id)).State.Status === "exited");
    expect((await tspod("logs", it.id)).stdout).toBe("/dev/pts/0\r\n".repeat(4));
  });

  test("what cannot be started again says why, and is tried again", async () => {
    await using it = await box(["--restart=on-failure:2"], "rm /bin/sh; exit 1");
    const { State, RestartCount } = await until("it has given up", async () => {
      const all = await inspect(it.id);
      return all.State.Status === "exited" && all;
    });
    expect(State).toMatchObject({ ExitCode: 127 });
    expect(State.Error).toContain('Cannot find "sh"');
    expect(RestartCount).toBe(2);
  });

  test.each([
    [["--rm", "--restart=always"], "Cannot combine --rm with --restart=always"],
    [["--restart=sometimes"], 'Invalid --restart "sometimes"'],
    [["--restart=always:3"], 'Invalid --restart "always:3"'],
    [["--restart=on-failure:x"], 'Invalid --restart "on-failure:x"'],
  ])("%j is refused", async (flags, message) => {
    const result = await tspod("run", ...flags, "tiny", "true");
    expect(result.exitCode).toBe(125);
    expect(result.stderr).toContain(message);
  });
});

describe("--sdnotify", () => {
  const receiver = `use Socket; socket(my $s, AF_UNIX, SOCK_DGRAM, 0) or die; bind($s, sockaddr_un($ARGV[0])) or die;
    $| = 1; print "bound\\n"; do { recv($s, $_, 4096, 0); print } until /READY=1/`;
  /** Only one word of what it says is for the service manager. */
  const sender = `use Socket; socket(my $s, AF_UNIX, SOCK_DGRAM, 0) or die; connect($s, sockaddr_un($ENV{NOTIFY_SOCKET})) or die;
    send($s, "STOPPING=1\\nMAINPID=1\\n", 0) or die; send($s, "STATUS=up\\nREADY=1\\n", 0) or die;`;
  const perl = ["/usr", "/lib", "/lib64"]
    .filter((path) => existsSync(path))
    .flatMap((path) => ["-v", `${path}:${path}:ro`]);

  test.each(["conmon", "healthy", "container"])("%s: the service manager is told", async (mode) => {
    const directory = mkdtempSync(join(tmpdir(), "tspod-notify-"));
    const socket = join(directory, "notify");
    const manager = Bun.spawn(["perl", "-e", receiver, socket], { stdout: "pipe" });
    try {
      await until("it listens", () => existsSync(socket));
      const id = await shared.world.tspod(
        [
          ...["run", "-d", `--sdnotify=${mode}`, "--health-cmd=true", "--health-interval=50ms"],
          ...(mode === "container" ? [...perl, "-u", "1000:1000"] : []),
          ...["tiny", "sh", "-c", 'env; [ -z "$1" ] || /usr/bin/perl -e "$1"; sleep 1000', "sh"],
          mode === "container" ? sender : "",
        ],
        { environment: { NOTIFY_SOCKET: socket } },
      );
      const name = id.stdout.trim();
      const text = await manager.stdout.text();
      const { monitorPid } = JSON.parse(
        readFileSync(join(shared.world.root, "run", name.slice(0, 24), "state.json"), "utf8"),
      );
      const main = `MAINPID=${monitorPid}\n`;
      expect(text).toBe(`bound\n${mode === "container" ? main : ""}${main}READY=1\n`);
      const variable = "NOTIFY_SOCKET=/run/notify/notify.sock";
      if (mode === "container") {
        await until("it shows", async () => (await ok("logs", name)).includes(variable));
        // systemd-notify says a word more, and fails when nobody takes it
        await ok("exec", "-e", variable, name, "/usr/bin/perl", "-e", sender);
      } else expect(await ok("logs", name)).not.toContain(variable);
      await ok("rm", "-f", name);
    } finally {
      manager.kill();
      rmSync(directory, { recursive: true });
    }
  });
});

describe("what is shared", () => {
  test("one that shares processes is not started among those of somebody else", async () => {
    await using first = await box([], "sleep 1000");
    await using second = await box(
      [`--pid=container:${first.id}`, "--restart=on-failure:1"],
      "while ! [ -e /go ]; do sleep 0.02; done; exit 3",
    );
    await ok("kill", first.id); // its processes end with it
    await until(
      "it has given up",
      async () => (await inspect(second.id)).State.Status === "exited",
    );
    expect((await inspect(second.id)).State.Error).toContain(
      "whose namespaces it shares has ended",
    );
  });

  test("exec is written down, with its end", async () => {
    await using it = await box([], "sleep 1000");
    expect((await tspod("exec", it.id, "sh", "-c", "exit 7")).exitCode).toBe(7);
    expect(events(it.id).slice(-2)).toEqual(["exec", "exec_died 7"]);
  });
});

test("where nothing can be written a container is still started again, and stopped", async () => {
  await using it = await box(["--restart=always"], "exit 1");
  const monitor = (): { monitorPid: number; restartCount?: number } =>
    JSON.parse(
      readFileSync(join(shared.world.root, "run", it.id.slice(0, 24), "state.json"), "utf8"),
    );
  const { monitorPid } = await until("it is there", () => monitor());
  const limit = (bytes: string) =>
    Bun.spawnSync(["prlimit", "--pid", String(monitorPid), `--fsize=${bytes}:unlimited`]).exitCode;
  expect(limit("0")).toBe(0); // as on a full disk, each write fails
  const count = () => events(it.id).length;
  const before = count();
  expect(limit("unlimited")).toBe(0);
  await until("it goes on", () => count() > before);
  expect(limit("0")).toBe(0);
  await ok("stop", it.id);
  expect((await inspect(it.id)).State.Status).toBe("exited");
});
