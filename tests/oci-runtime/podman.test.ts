/** Podman started with our runtime: what people do with it works, and what fails is told as podman tells it. */
import { afterAll, beforeAll, describe, expect } from "bun:test";
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import { cgroupDelegation, delegatedGroup } from "../support/delegated-cgroup.ts";
import { program, testWith } from "../support/requirements.ts";
import { openSession, type Session } from "../support/terminal.ts";
import { until } from "../support/wait.ts";
import { image, Podman, podmanPrograms } from "./podman.ts";

const podmanTest = testWith(...podmanPrograms);
const canRun = podmanPrograms.every((requirement) => requirement() === undefined);

/** Nothing of the host is needed for these. */
const alone = ["--network", "none", "--cgroups", "disabled"];

let podman: Podman;

beforeAll(async () => {
  if (canRun) podman = await Podman.open();
});

afterAll(async () => {
  if (canRun) await podman[Symbol.asyncDispose]();
});

const run = (options: string[], ...command: string[]) =>
  podman.podman("run", "--rm", ...alone, ...options, image, ...command);

describe("podman run", () => {
  podmanTest("output, input and exit status are the program's", async () => {
    expect(await run([], "echo", "hello")).toMatchObject({ exitCode: 0, stdout: "hello\n" });
    expect((await run([], "false")).exitCode).toBe(1);
    expect((await run([], "sh", "-c", "exit 42")).exitCode).toBe(42);
  });

  podmanTest("not found is 127, not executable is 126", async () => {
    const missing = await run([], "nothing");
    expect(missing.stderr).toContain("executable file not found in $PATH");
    expect(missing.exitCode).toBe(127);
    const directory = await run([], "/etc");
    expect(directory.stderr).toContain("permission denied");
    expect(directory.exitCode).toBe(126);
  });

  podmanTest("what its flags ask for", async () => {
    const { uid, gid } = userInfo();
    const script = "id -u; id -g; hostname; touch /file || echo read-only; ls /host";
    writeFileSync(join(podman.base, "shared"), "");
    const flags = ["--user", "1000:1000", "--hostname", "box", "--read-only"];
    const volume = ["-v", `${podman.base}/shared:/host/shared:ro`];
    expect((await run([...flags, ...volume], "sh", "-c", script)).stdout).toBe(
      "1000\n1000\nbox\nread-only\nshared\n",
    );
    const keep = await run(["--userns", "keep-id"], "sh", "-c", "id -u; id -g");
    expect(keep.stdout).toBe(`${uid}\n${gid}\n`);
    const rights = await run(
      ["--cap-drop", "all", "--security-opt", "no-new-privileges"],
      ...["grep", "-E", "CapBnd|NoNewPrivs|Seccomp:", "/proc/self/status"],
    );
    expect(rights.stdout).toBe("CapBnd:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n");
    const network = await podman.podman(
      ...["run", "--rm", "--cgroups", "disabled", "--network", "host", image],
      ...["readlink", "/proc/self/ns/net"],
    );
    const ours = Bun.spawnSync(["readlink", "/proc/self/ns/net"]).stdout.toString();
    expect(network.stdout).toBe(ours);
  });
});

describe("a container that lives on", () => {
  podmanTest("logs, exec, inspect, stop, start, kill, rm", async () => {
    const script = "echo up; trap 'echo bye; exit 3' TERM; while :; do sleep 0.05; done";
    await podman.ok("run", "-d", "--name", "c", ...alone, image, "sh", "-c", script);
    await until("it is up", async () => (await podman.ok("logs", "c")) === "up");
    expect(await podman.ok("exec", "c", "hostname")).toHaveLength(12);
    expect(
      await podman.ok(
        "exec",
        "-u",
        "app",
        "-w",
        "/tmp",
        "-e",
        "A=b",
        "c",
        "sh",
        "-c",
        "id -un; pwd; echo $A",
      ),
    ).toBe("app\n/tmp\nb");
    expect((await podman.podman("exec", "c", "sh", "-c", "exit 9")).exitCode).toBe(9);
    expect((await podman.podman("exec", "c", "nothing")).exitCode).toBe(127);
    expect((await podman.podman("exec", "c", "/etc")).exitCode).toBe(126);
    const shown = await podman.ok(
      "inspect",
      "c",
      "--format",
      "{{.State.Status}} {{.OCIRuntime}} {{.State.Pid}}",
    );
    expect(shown).toMatch(/^running tspod-oci \d+$/);
    await podman.ok("stop", "c");
    expect(await podman.ok("logs", "c")).toBe("up\nbye");
    expect(
      await podman.ok("inspect", "c", "--format", "{{.State.Status}} {{.State.ExitCode}}"),
    ).toBe("exited 3");
    await podman.ok("start", "c");
    await podman.ok("kill", "c");
    expect(await podman.ok("wait", "c")).toBe("137");
    await podman.ok("start", "c");
    await podman.ok("rm", "--force", "--time", "0", "c");
    expect(await podman.ok("ps", "--all", "--quiet")).toBe("");
    expect((await podman.podman("kill", "c")).stderr).toContain("no such container");
  });

  podmanTest("create, start --attach, and a detached exec", async () => {
    await podman.ok("create", "--name", "d", ...alone, image, "sh", "-c", "echo out; sleep 1000");
    expect((await podman.podman("exec", "d", "true")).exitCode).not.toBe(0);
    await podman.ok("start", "d");
    await podman.ok("exec", "--detach", "d", "touch", "/tmp/made");
    await until("it was executed", async () => {
      return (await podman.podman("exec", "d", "ls", "/tmp/made")).exitCode === 0;
    });
    await podman.ok("rm", "--force", "--time", "0", "d");
  });
});

describe("with a terminal, over conmon's console socket", () => {
  const atTerminal = (...words: string[]): Session =>
    openSession(
      ["podman", ...words],
      { home: podman.base, environment: podman.environment },
      {
        columns: 93,
        rows: 21,
      },
    );

  podmanTest("podman run -it", async () => {
    const script =
      "tty; until [ \"$(stty size)\" = '21 93' ]; do :; done; read line; echo got $line; exit 4";
    await using session = atTerminal("run", "-it", "--rm", ...alone, image, "sh", "-c", script);
    await session.sees("/dev/pts/0");
    session.type("typed\r");
    await session.sees("got typed");
    expect(await session.exit()).toBe(4);
  });

  podmanTest("podman exec -it", async () => {
    await podman.ok("run", "-d", "--name", "t", ...alone, image, "sleep", "1000");
    await using session = atTerminal("exec", "-it", "t", "sh", "-c", "tty; read line; exit $line");
    await session.sees("/dev/pts/0");
    session.type("5\r");
    expect(await session.exit()).toBe(5);
    await podman.ok("rm", "--force", "--time", "0", "t");
  });
});

describe("with cgroups", () => {
  const cgroupTest = testWith(
    ...podmanPrograms,
    program("unshare", "util-linux"),
    cgroupDelegation,
  );

  cgroupTest("limits, pause, unpause, update, and nothing is left of them", async () => {
    const group = join(delegatedGroup() ?? "", `podman-${process.pid}`);
    mkdirSync(group);
    const child = Bun.spawn(["sh", "-euc", inPlace, "sh", group, "images/tiny", podman.runtime], {
      ...{ cwd: podman.base, env: podman.environment },
      ...{ stdin: "ignore", stdout: "pipe", stderr: "pipe" },
    });
    const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
    await child.exited;
    // What podman leaves; a group of a container in it would be in the way.
    for (const name of ["libpod_parent/conmon", "libpod_parent", "leaf", "."]) {
      await until(`${name} can be removed`, () => isRemoved(join(group, name)));
    }
    expect(`${stdout}${child.exitCode === 0 ? "" : stderr}`).toBe(
      "33\npaused\n255\nrunning\n50000 100000\nstopped\n",
    );
  });
});

/** Not while the last processes in it are ending. */
function isRemoved(directory: string): boolean {
  try {
    rmdirSync(directory);
    return true;
  } catch {
    return !existsSync(directory);
  }
}

/**
 * As root of a user namespace where cgroup v2 is mounted as on a host that has nothing else. Podman takes itself for
 * root there, so it gets what root's has: /run, /var/cache, /dev/shm, and limits that it need not raise.
 */
const inPlace = `
echo $$ >$1/cgroup.procs
exec unshare --user --map-auto --map-root-user --mount --cgroup sh -euc '
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/cache
mount -t tmpfs tmpfs /dev/shm
mkdir /sys/fs/cgroup/leaf
echo $$ >/sys/fs/cgroup/leaf/cgroup.procs
echo +pids +cpu >/sys/fs/cgroup/cgroup.subtree_control
export XDG_RUNTIME_DIR=/run
p="podman --root /run/root --runroot /run/runroot --storage-driver vfs --cgroup-manager cgroupfs"
p="$p --events-backend file --runtime $2"
$p pull -q oci:$1 >/run/id
$p run -d --name c --network none --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 --pids-limit 33 \\
  $(cat /run/id) sleep 1000 >/run/c
$p exec c cat /sys/fs/cgroup/pids.max
$p pause c >/dev/null
$p inspect c --format "{{.State.Status}}"
$p exec c true >/dev/null 2>&1 || echo $?
$p unpause c >/dev/null
$p inspect c --format "{{.State.Status}}"
$p update --cpus 0.5 c >/dev/null
$p exec c cat /sys/fs/cgroup/cpu.max
$p rm -f -t 0 c >/dev/null
echo stopped
' sh $2 $3
`;
