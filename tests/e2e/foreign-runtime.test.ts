/** `--runtime`: other OCI runtimes make the container, and everything around it is as with our own. */
import { beforeAll, describe, expect } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { cgroupDelegation } from "../support/delegated-cgroup.ts";
import { leftovers, processesOf } from "../support/leaks.ts";
import { program, registryPrograms, testWith } from "../support/requirements.ts";
import { sharedWorld } from "../support/shared-world.ts";
import { atTerminal } from "../support/terminal.ts";
import { until } from "../support/wait.ts";
import { tspodFile } from "../support/world.ts";

const shared = sharedWorld({ images: ["tiny", "configured"] });
const ok = (...words: string[]) => shared.world.ok(...words);
const tspod = (...words: string[]) => shared.world.tspod(words);

/** The very file under test, by the name that makes it a runtime. */
const own = "tspod-oci";
const runtimes = ["crun", "runc", own];

beforeAll(() => symlinkSync(tspodFile, join(shared.world.home, own)));

describe.each(runtimes)("--runtime %s", (name) => {
  const runtime = name === own ? `./${own}` : name;
  const needed = [...registryPrograms, ...(name === own ? [] : [program(name)])];
  const test = testWith(...needed);
  const run = (...words: string[]) => tspod("run", "--rm", "--runtime", runtime, ...words);

  async function running(script = "sleep 1000", ...flags: string[]): Promise<Box> {
    const id = await ok("run", "-d", "--runtime", runtime, ...flags, "tiny", "sh", "-c", script);
    return { id, [Symbol.asyncDispose]: async () => void (await tspod("rm", "-f", id)) };
  }

  describe("run", () => {
    test("streams apart, the exit status, standard input", async () => {
      const script = "echo out; echo err >&2; exit 7";
      expect(await run("--network=none", "tiny", "sh", "-c", script)).toEqual({
        exitCode: 7,
        stdout: "out\n",
        stderr: "err\n",
      });
      const words = ["run", "--rm", "-i", "--runtime", runtime, "tiny", "wc", "-c"];
      const stdin = "x".repeat(300_000);
      expect((await shared.world.tspod(words, { stdin })).stdout.trim()).toBe("300000");
    });

    test("a signal that ends it is 128 + its number", async () => {
      const { exitCode } = await run("--init", "tiny", "sh", "-c", "kill -9 $$");
      expect(exitCode).toBe(137);
    });

    test.each([
      ["no-such-program", 127],
      ["/no/such/program", 127],
      ["/bin/not-executable", 126],
      ["/etc", 126],
    ])("%s is %d, in one sentence that names it", async (command, status) => {
      const { exitCode, stdout, stderr } = await run("tiny", command);
      expect({ exitCode, stdout }).toEqual({ exitCode: status, stdout: "" });
      expect(stderr).toContain(command);
      expect(stderr.split("\n").filter((line) => line.startsWith("Error:"))).toHaveLength(1);
    });

    test("namespaces of its own, the image's files below, a root that may be read-only", async () => {
      const script = "hostname; id -u; ls /proc | grep -cE '^[0-9]+$'; cat /etc/group | wc -l";
      const { stdout } = await run("--hostname", "box", "tiny", "sh", "-c", script);
      expect(stdout).toMatch(/^box\n0\n[1-9]\n4\n$/);
      const written = await run("--read-only", "tiny", "sh", "-c", "echo x > /run/y && touch /z");
      expect(written.exitCode).not.toBe(0);
      expect(written.stderr).toContain("/z: Read-only file system");
    });

    test("cgroups are seen as with our own runtime, and cannot be written", async () => {
      const script = "tail -n 1 /proc/self/cgroup; mkdir /sys/fs/cgroup/x";
      const { stdout, stderr } = await run("tiny", "sh", "-c", script);
      expect(stdout).toBe("0::/\n");
      expect(stderr).toContain("Read-only file system");
    });

    test("user, groups, home, working directory, variables, entrypoint", async () => {
      const script = "id -u; id -g; id -G; echo $HOME $A; pwd; umask";
      const asked = ["-u", "app", "-e", "A=1", "-w", "/made/here"];
      expect(await run(...asked, "tiny", "sh", "-c", script)).toMatchObject({
        stdout: "1000\n1000\n1000 50\n/home/app 1\n/made/here\n0022\n",
      });
      expect((await run("configured")).stdout).toBe("entry from-image\n");
      const unknown = await run("-u", "nobody-knows", "tiny", "true");
      expect(unknown.exitCode).toBe(125);
      expect(unknown.stderr).toContain("nobody-knows");
    });

    test("volumes: directories, files, read-only, named, in memory", async () => {
      const directory = join(shared.world.home, `data-${name}`);
      mkdirSync(directory);
      writeFileSync(join(directory, "file"), "from outside\n");
      const mounts = ["-v", `${directory}:/data`, "-v", `${directory}/file:/file:ro`];
      const more = ["-v", `named-${name}:/named`, "--tmpfs", "/memory"];
      const script =
        "cat /data/file; echo inside > /data/new; echo x > /file; touch /named/kept; stat -f -c %T /memory";
      const first = await run(...mounts, ...more, "tiny", "sh", "-c", script);
      expect(first.stdout).toBe("from outside\ntmpfs\n");
      expect(first.stderr).toContain("/file: Read-only file system");
      expect(await Bun.file(join(directory, "new")).text()).toBe("inside\n");
      expect((await run(...more, "tiny", "ls", "/named")).stdout).toBe("kept\n");
    });

    test("has the same capabilities, filter and limits as under our own", async () => {
      const show = ["tiny", "sh", "-c", "grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status"];
      expect((await run(...show)).stdout).toBe((await tspod("run", "--rm", ...show)).stdout);
    });

    test("--init reaps, forwards and passes on the status; --network host and none", async () => {
      const orphan =
        "(sleep 0.01 & ) ; sleep 0.1; grep -l '^State:.Z' /proc/[0-9]*/status; cat /proc/1/comm; exit 5";
      expect(await run("--init", "tiny", "sh", "-c", orphan)).toMatchObject({
        exitCode: 5,
        stdout: "tspod-init\n",
      });
      expect((await run("--init", "tiny", "no-such-program")).exitCode).toBe(127);
      const links = ["tiny", "ls", "/sys/class/net"];
      expect((await run("--network", "none", ...links)).stdout).toBe("lo\n");
      const host = (await run("--network", "host", ...links)).stdout;
      expect(host.trim().split("\n").sort()).toEqual(await hostLinks());
    });
  });

  describe("cgroups", () => {
    const limited = testWith(...needed, cgroupDelegation);

    limited("a limit holds, exactly, and exec is in it", async () => {
      const top = "cat /proc/self/cgroup; cat pids.max pids.current";
      const script = `cd /sys/fs/cgroup; ${top}; exec sleep 1000`;
      await using box = await running(script, "--pids-limit", "60", "--name", `few-${name}`);
      await until("it has told", async () => (await ok("logs", box.id)).endsWith("60\n2"));
      expect(await ok("logs", box.id)).toContain("0::/\n");
      const state = await Bun.file(
        join(shared.world.root, "run", box.id.slice(0, 24), "state.json"),
      ).json();
      const group = String(state.cgroup);
      expect(readFileSync(join(group, "pids.current"), "utf8")).toBe("1\n"); // nobody else is in it
      const forks = "i=0; while [ $i -lt 70 ]; do sleep 1 & i=$((i + 1)); done";
      const { exitCode, stderr } = await tspod("exec", box.id, "sh", "-c", forks);
      expect({ exitCode, stderr }).toMatchObject({ exitCode: 2 });
      expect(stderr).toContain("fork");
      await ok("rm", "-f", box.id);
      expect(existsSync(group)).toBe(false);
    });

    test("--cgroupns=host: it sees where it is; --cgroups=disabled: where we are", async () => {
      const flags = ["--cgroupns=host", "--cgroups=disabled", ...shown];
      expect(await run(...flags)).toEqual(await tspod("run", "--rm", ...flags));
    });

    const shown = ["tiny", "tail", "-n", "1", "/proc/self/cgroup"];
  });

  test("--pid=host, --ipc=host, --uts=host: as under our own", async () => {
    const shown = "for n in pid ipc uts; do readlink /proc/self/ns/$n; done; hostname";
    const flags = ["--pid=host", "--ipc=host", "--uts=host", "tiny", "sh", "-c", shown];
    expect(await run(...flags)).toEqual(await tspod("run", "--rm", ...flags));
  });

  test("namespaces of another container; ids of one's own; what cannot be: a sentence", async () => {
    await using box = await running("sleep 1000", "--name", `other-${name}`, "--hostname", "box");
    const shown = "for n in user pid ipc uts; do readlink /proc/self/ns/$n; done; ps";
    const theirs = ["ipc", "pid"].map((kind) => `--${kind}=container:other-${name}`);
    const { stdout, exitCode } = await run(...theirs, "tiny", "sh", "-c", shown);
    const inside = await ok("exec", box.id, "sh", "-c", shown);
    const lines = (text: string) => text.split("\n").slice(0, 3);
    expect({ exitCode, lines: lines(stdout) }).toEqual({ exitCode: 0, lines: lines(inside) });
    expect(stdout).toContain("sleep 1000");
    const kept = await run(
      "--userns=keep-id",
      "tiny",
      "sh",
      "-c",
      "id -u; touch /tmp/x; ls -ln /tmp",
    );
    expect(kept.stdout).toContain(`${process.getuid?.()}\n`);
    const refused = await run("--userns=nomap", "tiny", "true");
    expect(refused).toMatchObject({ exitCode: 125, stdout: "" });
    expect(refused.stderr).toContain("--userns=keep-id");
  });

  describe("a terminal", () => {
    test("run -it: our size, resized with ours, its status", async () => {
      const shell = ["--runtime", runtime, "tiny", "sh", "-c", "PS1='in> ' exec sh -i"];
      await using session = atTerminal(shared.world, ["run", "--rm", "-it", ...shell], {
        columns: 91,
        rows: 33,
      });
      await session.sees("in> ");
      session.type("stty size; test -t 0 && tty\r");
      await session.sees("33 91");
      await session.sees(/\/dev\/(pts\/0|console)/);
      session.terminal.resize(70, 20);
      await until("the new size is seen inside", async () => {
        session.type("stty size\r");
        return session.shown().includes("20 70");
      });
      session.type("exit 5\r");
      expect(await session.exit()).toBe(5);
    });

    test("exec -it into it, and attach to it", async () => {
      await using box = await running("PS1='in> ' exec sh -i", "-it");
      await using inside = atTerminal(shared.world, ["exec", "-it", box.id, "sh"]);
      inside.type("stty size; echo $((40 + 2)); exit 3\r");
      await inside.sees("24 80");
      await inside.sees("42");
      expect(await inside.exit()).toBe(3);
      await using attached = atTerminal(shared.world, ["attach", box.id]);
      attached.type("echo $((40 + 3))\r");
      await attached.sees("43");
      attached.type("exit 6\r");
      expect(await attached.exit()).toBe(6);
    });
  });

  describe("a container that stays", () => {
    test("logs, ps, inspect, exec, wait, rm", async () => {
      await using box = await running("echo begun; sleep 1000", "--name", `stays-${name}`);
      await until("it has begun", async () => (await ok("logs", box.id)) === "begun");
      expect(await ok("ps", "--format", "{{.Names}}")).toBe(`stays-${name}`);
      const [seen] = JSON.parse(await ok("inspect", box.id));
      expect(seen).toMatchObject({ OCIRuntime: name, State: { Running: true } });
      expect(await Bun.file(`/proc/${seen.State.Pid}/cmdline`).text()).toContain("sleep\x001000");
      const script = "id -u; pwd; echo $B; hostname; echo e >&2; cat; exit 9";
      const words = ["exec", "-i", "-u", "app", "-w", "/tmp", "-e", "B=2", box.id, "sh", "-c"];
      const result = await shared.world.tspod([...words, script], { stdin: "typed" });
      expect(result).toEqual({
        exitCode: 9,
        stdout: `1000\n/tmp\n2\n${box.id.slice(0, 12)}\ntyped`,
        stderr: "e\n",
      });
      const refused = await tspod("rm", box.id);
      expect(refused.stderr).toContain("is running");
      await ok("kill", box.id);
      expect(await ok("wait", box.id)).toBe("137");
      await ok("rm", box.id);
      expect(await ok("ps", "-aq")).toBe("");
    });

    test("exec: not found, not executable, left behind, many at once", async () => {
      await using box = await running();
      expect((await tspod("exec", box.id, "no-such-program")).exitCode).toBe(127);
      expect((await tspod("exec", box.id, "/bin/not-executable")).exitCode).toBe(126);
      await ok("exec", "-d", box.id, "sh", "-c", "echo here > /tmp/mark; exec sleep 999");
      await until("the mark is there", async () =>
        (await tspod("exec", box.id, "cat", "/tmp/mark")).stdout.startsWith("here"),
      );
      expect(await ok("exec", box.id, "ps")).toContain("sleep 999");
      const numbers = Array.from({ length: 6 }, (_, index) => `${index}`);
      const answers = numbers.map((number) => ok("exec", box.id, "echo", number));
      expect(await Promise.all(answers)).toEqual(numbers);
    });

    test("stop asks with its signal and insists after its time", async () => {
      const polite = "trap 'exit 42' USR1; echo ready; while :; do sleep 0.01; done";
      await using box = await running(polite, "--stop-signal", "SIGUSR1");
      await until("it is ready", async () => (await ok("logs", box.id)) === "ready");
      await ok("stop", box.id);
      expect(await ok("wait", box.id)).toBe("42");
      await using deaf = await running("sleep 1000");
      await ok("stop", "-t", "0", deaf.id);
      expect(await ok("wait", deaf.id)).toBe("137");
    });

    test("create, start -a, start again", async () => {
      const id = await ok("create", "--runtime", runtime, "tiny", "sh", "-c", "echo run; exit 4");
      expect(await tspod("start", "-a", id)).toMatchObject({ exitCode: 4, stdout: "run\n" });
      await ok("start", id);
      expect(await ok("wait", id)).toBe("4");
      await ok("rm", id);
    });
  });

  describe("nothing is left", () => {
    test("--rm, by its end, by rm -f, and of what could not start", async () => {
      const id = await ok("run", "-d", "--rm", "--runtime", runtime, "tiny", "sleep", "1000");
      await ok("rm", "-f", id);
      await ok("run", "-d", "--rm", "--runtime", runtime, "tiny", "true");
      await run("tiny", "no-such-program");
      await run("-v", `${shared.world.home}:/bin/busybox`, "tiny", "true");
      await until("nothing is left", () => leftovers(shared.world.root).length === 0);
    });

    test.each(["the monitor", "the keeper", "the program", "tspod"])(
      "kill -9 of %s: the next command deals with it",
      async (victim) => {
        const child = shared.world.start([
          ...["run", "--rm", "-i", "--name", `victim-${name}`, "--runtime", runtime],
          ...["tiny", "sh", "-c", "echo ready; exec cat"],
        ]);
        const reader = child.stdout.getReader();
        await reader.read();
        const found = processesOf(shared.world.root);
        const [seen] = JSON.parse(await ok("inspect", `victim-${name}`));
        const parents = ancestors(seen.State.Pid, found);
        const pids: Record<string, number | undefined> = {
          "the program": seen.State.Pid,
          "the keeper": parents[0],
          "the monitor": parents[1],
          tspod: child.pid,
        };
        expect(parents.length).toBeGreaterThanOrEqual(2);
        process.kill(pids[victim] ?? 0, "SIGKILL");
        await until("the container has ended, or goes on without us", async () => {
          const names = await ok("ps", "--format", "{{.Names}}");
          return victim === "tspod" || !names.includes(`victim-${name}`);
        });
        await tspod("rm", "-f", `victim-${name}`);
        child.kill("SIGKILL");
        await until("nothing is left", async () => {
          await ok("ps");
          return leftovers(shared.world.root).length === 0;
        });
      },
    );
  });
});

describe("which runtime", () => {
  const test = testWith(...registryPrograms);

  test("one that is nowhere, or cannot be executed: a sentence, and nothing is made", async () => {
    const missing = await tspod("run", "--runtime", "no-such-runtime", "tiny", "true");
    expect(missing.exitCode).toBe(125);
    expect(missing.stderr).toContain('Cannot find the runtime "no-such-runtime" in PATH');
    const path = join(shared.world.home, "not-a-runtime");
    writeFileSync(path, "");
    const refused = await tspod("create", "--runtime", path, "tiny", "true");
    expect(refused.exitCode).toBe(125);
    expect(refused.stderr).toContain(path);
    expect(await ok("ps", "-aq")).toBe("");
  });

  test("one that is no runtime, or fails without a word: a sentence", async () => {
    const path = join(shared.world.home, "silent");
    writeFileSync(path, "#!/bin/sh\nexit 3\n");
    chmodSync(path, 0o755);
    const { exitCode, stderr } = await tspod("run", "--rm", "--runtime", path, "tiny", "true");
    expect(exitCode).toBe(125);
    expect(stderr).toContain("silent failed with status 3 and without a word");
  });

  test("tspod and tspod-oci are our own; a path is taken as it is", async () => {
    for (const name of ["tspod", "tspod-oci"]) {
      const id = await ok("create", "--runtime", name, "tiny", "true");
      expect(await ok("inspect", "--format", "{{.OCIRuntime}}", id)).toBe("tspod");
      await ok("rm", id);
    }
  });

  testWith(...registryPrograms, program("crun"))("a path may be relative", async () => {
    const crun = Bun.which("crun", { PATH: "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin" });
    symlinkSync(crun ?? "", join(shared.world.home, "mine"));
    const words = ["run", "--rm", "--runtime", "./mine", "tiny", "echo", "x"];
    expect((await shared.world.tspod(words)).stdout).toBe("x\n");
  });

  test("info lists those that are there", async () => {
    expect(await ok("info", "--format", "{{.Runtimes}}")).toMatch(/^tspod( crun)?( runc)?$/);
  });
});

interface Box extends AsyncDisposable {
  id: string;
}

/** The processes of the world that a process descends from, nearest first. */
function ancestors(pid: number, found: { pid: number }[]): number[] {
  const known = new Set(found.map((process) => process.pid));
  const parent = parentOf(pid);
  return parent !== undefined && known.has(parent) ? [parent, ...ancestors(parent, found)] : [];
}

function parentOf(pid: number): number | undefined {
  const { stdout } = Bun.spawnSync(["cat", `/proc/${pid}/status`], { stderr: "ignore" });
  const found = /^PPid:\s+(\d+)/m.exec(stdout.toString())?.[1];
  return found === undefined ? undefined : Number(found);
}

async function hostLinks(): Promise<string[]> {
  const text = await Bun.file("/proc/net/dev").text();
  return [...text.matchAll(/^\s*(\S+):/gm)].map(([, name = ""]) => name).sort();
}
