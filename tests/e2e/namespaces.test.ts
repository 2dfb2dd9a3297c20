/** --pid, --ipc, --uts and --cgroupns: the host's, and those of another container. */
import { describe, expect } from "bun:test";
import { readlinkSync } from "node:fs";
import { registryPrograms, testWith } from "../support/requirements.ts";
import { sharedWorld } from "../support/shared-world.ts";
import { until } from "../support/wait.ts";

const test = testWith(...registryPrograms);
const shared = sharedWorld({ images: ["tiny"] });
const run = (...words: string[]) => shared.world.tspod(["run", "--rm", ...words]);
const out = async (...words: string[]) => {
  const { exitCode, stdout, stderr } = await run(...words);
  if (exitCode !== 0) throw new Error(`status ${exitCode}: ${stderr}`);
  return stdout.replace(/\n$/, "");
};
const sh = (flags: string, script: string) => out(...flags.split(" "), "tiny", "sh", "-c", script);

describe("the host's", () => {
  test.each(["pid", "ipc", "uts"])("--%s=host", async (kind) => {
    const own = readlinkSync(`/proc/self/ns/${kind}`);
    expect(await out(`--${kind}=host`, "tiny", "readlink", `/proc/self/ns/${kind}`)).toBe(own);
    expect(await out(`--${kind}=private`, "tiny", "readlink", `/proc/self/ns/${kind}`)).not.toBe(
      own,
    );
  });

  test("--cgroupns=host", async () => {
    const own = readlinkSync("/proc/self/ns/cgroup");
    expect(await out("--cgroupns=host", "tiny", "readlink", "/proc/self/ns/cgroup")).toBe(own);
  });

  test("--pid=host shows its processes, --uts=host its name", async () => {
    expect(await sh("--pid=host", `test -e /proc/${process.pid} && echo there`)).toBe("there");
    const name = (await Bun.file("/proc/sys/kernel/hostname").text()).trim();
    expect(await sh("--uts=host", "hostname; cat /etc/hostname")).toBe(`${name}\n${name}`);
    const { exitCode, stderr } = await run("--uts=host", "-h", "box", "tiny", "true");
    expect(exitCode).toBe(125);
    expect(stderr).toContain("Cannot combine --hostname with --uts=host");
  });

  test("--ipc=none has no /dev/shm", async () => {
    expect(await sh("--ipc=none", "test -e /dev/shm || echo none")).toBe("none");
  });
});

describe("another container's", () => {
  test("processes, shared memory and name, and its user namespace with them", async () => {
    const { world } = shared;
    const script = "echo theirs > /dev/shm/f; exec sleep 1000";
    await world.ok("run", "-d", "--name", "a", "-h", "abox", "tiny", "sh", "-c", script);
    const flags = "--pid=container:a --ipc=container:a --uts=container:a";
    const look =
      "cat /proc/1/comm /dev/shm/f; hostname; cat /etc/hostname; touch /dev/shm/ours; readlink /proc/self/ns/user";
    const theirUser = await world.ok("exec", "a", "readlink", "/proc/self/ns/user");
    expect(await sh(flags, look)).toBe(`sleep\ntheirs\nabox\nabox\n${theirUser}`);
    expect(await world.ok("exec", "a", "ls", "/dev/shm")).toBe("f\nours");
    await world.ok("rm", "-f", "a");
  });

  test.each(["nomap", "keep-id", "auto"])("of a container with --userns=%s", async (mode) => {
    const { world } = shared;
    await world.ok("run", "-d", "--name", "b", `--userns=${mode}`, "tiny", "sleep", "1000");
    const theirMap = await world.ok("exec", "b", "cat", "/proc/self/uid_map");
    const look = "cat /proc/self/uid_map; cat /proc/1/comm; touch /x; stat -c %u / /x";
    expect(await sh("--pid=container:b -u 0", look)).toBe(`${theirMap}\nsleep\n0\n0`);
    expect(await sh("--userns=container:b -u 0", "cat /proc/self/uid_map")).toBe(theirMap);
    await world.ok("rm", "-f", "b");
  });

  test("is looked for with every start", async () => {
    const { world } = shared;
    await world.ok("run", "-d", "--name", "c", "tiny", "sleep", "1000");
    await world.ok("create", "--name", "d", "--pid=container:c", "tiny", "cat", "/proc/1/comm");
    expect(await world.ok("start", "-a", "d")).toBe("sleep");
    await world.ok("stop", "-t", "0", "c");
    const { exitCode, stderr } = await world.tspod(["start", "-a", "d"]);
    expect(exitCode).toBe(125);
    expect(stderr).toContain('container "c", whose namespaces it shares, does not run');
    await world.ok("start", "c");
    expect(await world.ok("start", "-a", "d")).toBe("sleep");
    const [{ HostConfig }] = JSON.parse(await world.ok("inspect", "d"));
    expect(HostConfig.PidMode).toMatch(/^container:[0-9a-f]{64}$/);
    await world.ok("rm", "-f", "c", "d");
  });

  test("that keeps its memory to itself, or is not there", async () => {
    const { world } = shared;
    await world.ok("run", "-d", "--name", "e", "--ipc=private", "tiny", "sleep", "1000");
    const refused = await run("--ipc=container:e", "tiny", "true");
    expect(refused.stderr).toContain('Container "e" does not share its memory');
    const missing = await run("--pid=container:no-such", "tiny", "true");
    expect(missing.stderr).toContain('Cannot find container "no-such"');
    expect([refused.exitCode, missing.exitCode]).toEqual([125, 125]);
    await world.ok("rm", "-f", "e");
  });

  test("a hostile one cannot have anything but memory shared", async () => {
    const { world } = shared;
    const script =
      "umount /dev/shm; ln -s /etc /dev/x; mount --bind /etc /dev/shm; exec sleep 1000";
    await world.ok("run", "-d", "--name", "f", "--privileged", "tiny", "sh", "-c", script);
    await until("it has done that", async () =>
      (await world.ok("exec", "f", "ls", "/dev/shm")).includes("passwd"),
    );
    const { exitCode, stderr } = await run("--ipc=container:f", "tiny", "ls", "/dev/shm");
    expect(exitCode).toBe(125);
    expect(stderr).toContain("is no memory that can be shared");
    await world.ok("rm", "-f", "f");
  });
});
