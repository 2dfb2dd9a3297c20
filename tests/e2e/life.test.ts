/** Around a container that runs: ps, logs, exec, stop, kill, wait, rm, inspect. */
import { describe, expect } from "bun:test";
import { readFileSync } from "node:fs";
import { processesOf } from "../support/leaks.ts";
import { registryPrograms, testWith } from "../support/requirements.ts";
import { sharedWorld } from "../support/shared-world.ts";
import { until } from "../support/wait.ts";

const test = testWith(...registryPrograms);
const shared = sharedWorld({ images: ["tiny"] });
const ok = (...words: string[]) => shared.world.ok(...words);
const tspod = (...words: string[]) => shared.world.tspod(words);

/** A container that runs until it is told not to; gone when the test is over. */
async function running(script = "sleep 1000", ...flags: string[]): Promise<Box> {
  const id = await ok("run", "-d", ...flags, "tiny", "sh", "-c", script);
  return { id, [Symbol.asyncDispose]: async () => void (await tspod("rm", "-f", id)) };
}
interface Box extends AsyncDisposable {
  id: string;
}

const inspect = async (id: string) => JSON.parse(await ok("inspect", id))[0];

describe("ps", () => {
  test("lists what runs; -a all; -q ids; --no-trunc whole ids", async () => {
    await using box = await running("sleep 1000", "--name", "listed");
    await using ended = await running("exit 3", "--name", "ended");
    await ok("wait", ended.id);
    const table = await ok("ps");
    expect(table.split("\n")[0]).toMatch(
      /^CONTAINER ID\s+IMAGE\s+COMMAND\s+CREATED\s+STATUS\s+PORTS\s+NAMES$/,
    );
    expect(table).toContain(box.id.slice(0, 12));
    expect(table).toMatch(/Up .*\blisted$/m);
    expect(table).not.toContain("ended");
    expect(await ok("ps", "-a")).toMatch(/Exited \(3\) .*\bended$/m);
    expect(await ok("ps", "-q")).toBe(box.id.slice(0, 12));
    expect((await ok("ps", "-aq", "--no-trunc")).split("\n").sort()).toEqual(
      [box.id, ended.id].sort(),
    );
  });

  test("--filter and --format", async () => {
    await using first = await running("sleep 1000", "--name", "one", "-l", "tier=front");
    await using second = await running("sleep 1000", "--name", "two");
    const names = (...words: string[]) => ok("ps", "--format", "{{.Names}}", ...words);
    expect(await names("--filter", "label=tier=front")).toBe("one");
    expect(await names("-f", "name=two")).toBe("two");
    expect(await names("-f", `id=${first.id.slice(0, 6)}`)).toBe("one");
    expect(await ok("ps", "--format", "json").then((text) => text.length)).toBeGreaterThan(2);
    expect((await names()).split("\n").sort()).toEqual(["one", "two"]);
    expect(second.id).not.toBe(first.id);
  });
});

describe("logs", () => {
  test("both streams, apart, to the end", async () => {
    await using box = await running("echo out; echo err >&2; printf unfinished");
    await ok("wait", box.id);
    expect(await tspod("logs", box.id)).toEqual({
      exitCode: 0,
      stdout: "out\nunfinished",
      stderr: "err\n",
    });
  });

  test("-f follows until the container ends", async () => {
    await using box = await running("echo one; exec sleep 1000");
    const follower = shared.world.start(["logs", "-f", box.id]);
    const reader = follower.stdout.getReader();
    const first = new TextDecoder().decode((await reader.read()).value);
    expect(first).toContain("one");
    await ok("kill", box.id);
    let rest = "";
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      rest += new TextDecoder().decode(part.value);
    }
    expect(await follower.exited).toBe(0);
    expect(rest).not.toContain("one");
  });

  test("--tail, -t", async () => {
    await using box = await running("seq 1 100");
    await ok("wait", box.id);
    expect(await ok("logs", "--tail", "2", box.id)).toBe("99\n100");
    expect(await ok("logs", "-n", "0", box.id)).toBe("");
    expect(await ok("logs", "-t", "--tail", "1", box.id)).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z 100$/);
  });

  test("long lines and binary bytes come back as they went in", async () => {
    await using box = await running("head -c 100000 /dev/zero | tr '\\0' a; printf '\\n\\001\\n'");
    await ok("wait", box.id);
    expect((await tspod("logs", box.id)).stdout === `${"a".repeat(100_000)}\n\u0001\n`).toBe(true);
  });
});

describe("exec", () => {
  test("runs inside, with its own status and streams", async () => {
    await using box = await running("sleep 1000", "-e", "A=container", "--hostname", "box");
    expect(
      await tspod("exec", box.id, "sh", "-c", "echo $A; hostname; echo e >&2; exit 5"),
    ).toEqual({
      exitCode: 5,
      stdout: "container\nbox\n",
      stderr: "e\n",
    });
  });

  test("-e, -w, -u, -i", async () => {
    await using box = await running();
    const script = "echo $B; pwd; id -u; cat";
    const words = [
      "exec",
      "-i",
      "-e",
      "B=2",
      "-w",
      "/tmp",
      "-u",
      "app",
      box.id,
      "sh",
      "-c",
      script,
    ];
    const { stdout, exitCode } = await shared.world.tspod(words, { stdin: "typed" });
    expect(stdout).toBe("2\n/tmp\n1000\ntyped");
    expect(exitCode).toBe(0);
  });

  test("-d leaves it running", async () => {
    await using box = await running();
    await ok("exec", "-d", box.id, "sh", "-c", "echo here > /tmp/mark; exec sleep 999");
    await until("the mark is there", async () =>
      (await tspod("exec", box.id, "cat", "/tmp/mark")).stdout.startsWith("here"),
    );
    expect(await ok("exec", box.id, "ps")).toContain("sleep 999");
  });

  test("shares every namespace and has the same limits as process 1", async () => {
    await using box = await running();
    const list = "for n in user pid mnt uts ipc net cgroup; do readlink /proc/$P/ns/$n; done";
    expect(await ok("exec", "-e", "P=self", box.id, "sh", "-c", list)).toBe(
      await ok("exec", "-e", "P=1", box.id, "sh", "-c", list),
    );
    const status = "grep -E '^(Cap|Seccomp:|NoNewPrivs)' /proc/$P/status";
    expect(await ok("exec", "-e", "P=self", box.id, "sh", "-c", status)).toBe(
      await ok("exec", "-e", "P=1", box.id, "sh", "-c", status),
    );
  });

  test.each([
    ["no-such-program", 127],
    ["/bin/not-executable", 126],
  ])("%s is %d", async (program, status) => {
    await using box = await running();
    const { exitCode, stderr } = await tspod("exec", box.id, program);
    expect(exitCode).toBe(status);
    expect(stderr).toContain(program);
  });

  test("runs from the file itself, not from a copy of it in memory", async () => {
    await using box = await running();
    const started = shared.world.start(["exec", box.id, "sleep", "999"]);
    const ours = await until("it executes", () => {
      const all = processesOf(shared.world.root);
      return all.some(({ command }) => command === "sleep 999") ? all : undefined;
    });
    const runtimes = ours.filter(({ command }) => command.includes(" native exec "));
    expect(runtimes).not.toEqual([]);
    for (const { pid } of runtimes) {
      const status = readFileSync(`/proc/${pid}/status`, "utf8"); // its exe is not shown to everybody
      expect(/^RssShmem:\s+(\d+) kB$/m.exec(status)?.[1]).toBe("0");
    }
    started.kill("SIGKILL");
    await ok("kill", box.id);
  });

  test("into what is stopped or unknown: a sentence", async () => {
    await using box = await running("exit 0");
    await ok("wait", box.id);
    expect((await tspod("exec", box.id, "true")).exitCode).not.toBe(0);
    const unknown = await tspod("exec", "nobody", "true");
    expect(unknown.exitCode).toBe(125);
    expect(unknown.stderr).toContain("nobody");
  });
});

describe("the end", () => {
  test("stop asks first and insists after its time", async () => {
    await using polite = await running("trap 'exit 0' TERM; while :; do sleep 0.01; done");
    await using deaf = await running("trap '' TERM; while :; do sleep 0.01; done");
    await until("both have their traps", async () => {
      const masks = ["SigCgt", "SigIgn"].map((name) => `grep ${name} /proc/1/status`);
      const [caught, ignored] = await Promise.all([
        ok("exec", polite.id, "sh", "-c", masks[0] ?? ""),
        ok("exec", deaf.id, "sh", "-c", masks[1] ?? ""),
      ]);
      const has = (text: string) => (BigInt(`0x${text.split("\t")[1]}`) & (1n << 14n)) !== 0n;
      return has(caught) && has(ignored);
    });
    expect(await ok("stop", polite.id)).toBe(polite.id);
    const started = performance.now();
    await ok("stop", "-t", "1", deaf.id);
    expect(performance.now() - started).toBeGreaterThan(950);
    expect((await inspect(polite.id)).State.ExitCode).toBe(0);
    expect((await inspect(deaf.id)).State.ExitCode).toBe(137);
  });

  test("kill, with a signal by name, number and lower case", async () => {
    for (const signal of ["USR1", "SIGUSR1", "10", "sigusr1"]) {
      await using box = await running(
        "trap 'exit 33' USR1; echo ready; while :; do sleep 0.01; done",
      );
      await until("it is ready", async () => (await tspod("logs", box.id)).stdout === "ready\n");
      await ok("kill", "-s", signal, box.id);
      expect(await ok("wait", box.id)).toBe("33");
    }
  });

  test("kill without a signal kills; twice is an error", async () => {
    await using box = await running("sleep 1000", "--name", "victim");
    await ok("kill", box.id);
    expect(await ok("wait", box.id)).toBe("137");
    const again = await tspod("kill", box.id);
    expect(again.exitCode).not.toBe(0);
    expect(again.stderr).toContain("victim");
  });

  test("rm refuses what runs, -f does not ask", async () => {
    await using box = await running("sleep 1000", "--name", "busy");
    const refused = await tspod("rm", "busy");
    expect(refused.exitCode).not.toBe(0);
    expect(refused.stderr).toContain("busy");
    expect(refused.stderr).toContain("-f");
    expect(await ok("rm", "-f", "busy")).toMatch(/^(busy|[0-9a-f]{64})$/);
    expect(await ok("ps", "-aq")).not.toContain(box.id.slice(0, 12));
  });

  test("rm of several goes on after a wrong one and says so", async () => {
    await using box = await running("exit 0");
    await ok("wait", box.id);
    const result = await tspod("rm", "nobody", box.id);
    expect(result.exitCode).not.toBe(0);
    expect(result.stderr).toContain("nobody");
    expect(await ok("ps", "-aq")).toBe("");
  });

  test("--rm removes it though nobody is watching", async () => {
    const id = await ok("run", "-d", "--rm", "tiny", "true");
    await until("it is gone", async () => !(await ok("ps", "-aq", "--no-trunc")).includes(id));
  });

  test("a name is free again after rm, and taken before", async () => {
    await using box = await running("sleep 1000", "--name", "taken");
    const refused = await tspod("run", "--name", "taken", "tiny", "true");
    expect(refused.exitCode).toBe(125);
    expect(refused.stderr).toContain("taken");
    await ok("rm", "-f", box.id);
    await ok("run", "--rm", "--name", "taken", "tiny", "true");
  });

  test("create, start, start -a, restart of what ended", async () => {
    const id = await ok("create", "tiny", "sh", "-c", "echo run; exit 4");
    expect((await inspect(id)).State.Status).toBe("created");
    const attached = await tspod("start", "-a", id);
    expect(attached).toEqual({ exitCode: 4, stdout: "run\n", stderr: "" });
    await ok("start", id);
    expect(await ok("wait", id)).toBe("4");
    expect(await ok("logs", id)).toBe("run\nrun");
    await ok("rm", id);
  });

  test("start -ai of what runs attaches to it", async () => {
    await using box = await running('read line; echo "got $line"; exit 5', "-i");
    const attached = await shared.world.tspod(["start", "-ai", box.id], { stdin: "hello\n" });
    expect(attached).toEqual({ exitCode: 5, stdout: "got hello\n", stderr: "" });
  });
});

describe("inspect", () => {
  test("has the shape that scripts expect of docker", async () => {
    await using box = await running("sleep 1000", "--name", "seen", "-e", "A=1", "-w", "/tmp");
    const seen = await inspect("seen");
    expect(seen).toMatchObject({
      Id: box.id,
      Path: "sh",
      Args: ["-c", "sleep 1000"],
      State: { Status: "running", Running: true, ExitCode: 0 },
      Config: { WorkingDir: "/tmp", Tty: false, OpenStdin: false },
    });
    expect(seen.Name).toMatch(/^\/?seen$/);
    expect(seen.Config.Env).toContain("A=1");
    expect(seen.State.Pid).toBeGreaterThan(1);
    expect(Date.parse(seen.State.StartedAt)).toBeGreaterThan(Date.now() - 60_000);
    expect(
      await ok("inspect", "--format", "{{.State.Status}} {{.Config.WorkingDir}}", "seen"),
    ).toBe("running /tmp");
  });

  test("of an image, and of neither", async () => {
    const [image] = JSON.parse(await ok("inspect", "tiny"));
    expect(image.RepoTags).toEqual(["docker.io/library/tiny:latest"]);
    expect(image.Config.Cmd).toEqual(["sh"]);
    expect(image.Architecture).toBe(process.arch === "x64" ? "amd64" : "arm64");
    const { exitCode, stderr } = await tspod("inspect", "neither");
    expect(exitCode).not.toBe(0);
    expect(stderr).toContain("neither");
  });

  test("a container is found by name, by id and by the start of its id", async () => {
    await using box = await running("sleep 1000", "--name", "found");
    for (const word of ["found", box.id, box.id.slice(0, 12), box.id.slice(0, 4)]) {
      expect((await inspect(word)).Id).toBe(box.id);
    }
  });
});
