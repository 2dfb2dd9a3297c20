/** A container's cgroup from birth to removal: where it is, who is in it, and that it goes, whatever is killed. */
import { describe, expect } from "bun:test";
import { existsSync, mkdirSync, readdirSync, rmdirSync, writeFileSync } from "node:fs";
import { basename, dirname } from "node:path";
import { sharedWorld } from "../support/shared-world.ts";
import { until } from "../support/wait.ts";
import { tspodFile } from "../support/world.ts";
import {
  cgroupTest,
  delegated,
  groupOf,
  groupOfProcess,
  isCgroupfs,
  read,
  stateOf,
} from "./fixture.ts";

const shared = sharedWorld({ images: ["tiny"] });
const test = cgroupTest();

async function detached(name: string, ...flags: string[]): Promise<string> {
  await shared.world.ok("run", "-d", "--name", name, ...flags, "tiny", "sleep", "1000");
  return groupOf(shared.world, name);
}

describe("a group", () => {
  test("holds the container and not its monitor; it is gone with it", async () => {
    const group = await detached("one");
    const state = await stateOf(shared.world, "one");
    expect(read(group, "cgroup.procs").split("\n")).toEqual([String(state.pid)]);
    expect(groupOfProcess(Number(state.monitorPid))).not.toBe(groupOfProcess(Number(state.pid)));
    await shared.world.ok("rm", "-f", "one");
    expect(existsSync(group)).toBe(false);
  });

  test("is where exec goes, from the caller's own group", async () => {
    const group = await detached("two");
    await shared.world.ok("exec", "-d", "two", "sleep", "1000");
    expect(read(group, "cgroup.procs").split("\n")).toHaveLength(2);
    expect(await shared.world.ok("exec", "two", "grep", "0::", "/proc/self/cgroup")).toBe("0::/");
    await shared.world.ok("rm", "-f", "two");
    expect(existsSync(group)).toBe(false);
  });

  test("that is frozen is entered by nobody: exec says that the container is paused", async () => {
    const group = await detached("frozen");
    writeFileSync(`${group}/cgroup.freeze`, "1");
    const { exitCode, stderr } = await shared.world.tspod(["exec", "frozen", "true"]);
    expect({ exitCode, stderr }).toEqual({
      exitCode: 125,
      stderr: expect.stringContaining('Container "frozen" is paused') as string,
    });
    await shared.world.ok("rm", "-f", "frozen"); // SIGKILL reaches what stands still
    expect(existsSync(group)).toBe(false);
  });

  test("of a monitor that was killed: the next command removes it", async () => {
    const group = await detached("lost");
    const { monitorPid } = await stateOf(shared.world, "lost");
    process.kill(Number(monitorPid), "SIGKILL");
    await until(
      "the container is gone",
      () => !existsSync(group) || read(group, "cgroup.procs") === "",
    );
    await shared.world.ok("ps");
    expect(existsSync(group)).toBe(false);
    await shared.world.ok("rm", "lost");
  });

  cgroupTest(isCgroupfs)("of a container that nobody knows of goes as well", async () => {
    const base = dirname(await detached("known"));
    const group = `${base}/tspod-${"0".repeat(64)}`;
    mkdirSync(group);
    mkdirSync(`${group}/below`);
    await shared.world.ok("ps");
    expect(existsSync(group)).toBe(false);
    await shared.world.ok("rm", "-f", "known");
  });

  cgroupTest(isCgroupfs, delegated("pids"))(
    "what a killed monitor left is taken over by the next start",
    async () => {
      await shared.world.ok(
        "create",
        "--name",
        "again",
        "--pids-limit",
        "9",
        "tiny",
        "sleep",
        "1000",
      );
      const id = await shared.world.ok("inspect", "-f", "{{.Id}}", "again");
      const base = dirname(await detached("other"));
      mkdirSync(`${base}/tspod-${id}/left`, { recursive: true });
      writeFileSync(`${base}/tspod-${id}/pids.max`, "1");
      await shared.world.ok("start", "again");
      expect(read(`${base}/tspod-${id}`, "pids.max")).toBe("9");
      expect(existsSync(`${base}/tspod-${id}/left`)).toBe(false);
      await shared.world.ok("rm", "-f", "again", "other");
    },
  );
});

describe("--cgroup-parent", () => {
  cgroupTest(isCgroupfs, delegated("pids"))("names what it is made in", async () => {
    const group = await detached("inner", "--cgroup-parent", "a/b", "--pids-limit", "5");
    expect(group).toMatch(/\/a\/b\/tspod-[0-9a-f]{64}$/);
    expect(read(group, "pids.max")).toBe("5");
    await shared.world.ok("rm", "-f", "inner");
    const base = dirname(dirname(dirname(group)));
    rmdirSync(`${base}/a/b`); // what was asked for by name stays
    rmdirSync(`${base}/a`);
  });

  test("that leads elsewhere is refused", async () => {
    const words = ["run", "--rm", "--cgroup-parent", "../..", "tiny", "true"];
    const { exitCode, stderr } = await shared.world.tspod(words);
    expect(exitCode).toBe(125);
    expect(stderr).toContain('"../.."');
  });
});

/** Below a group of the test's own, so that moving processes aside moves only this test's. */
describe("the only group that is ours holds processes", () => {
  const alone = cgroupTest(isCgroupfs, delegated("pids"));

  alone("a limit moves them aside; without one nobody is moved", async () => {
    const base = dirname(await detached("neighbour"));
    const own = `${base}/own-${process.pid}`;
    mkdirSync(own);
    try {
      const script = (flags: string) =>
        `echo $$ > ${own}/cgroup.procs
         ${tspodFile} run --rm --cgroups=split ${flags} tiny cat /sys/fs/cgroup/cgroup.procs
         cat /proc/self/cgroup`;
      const command = (flags: string) =>
        Bun.spawnSync(["sh", "-c", script(flags)], { env: shared.world.environment });
      const plain = command("").stdout.toString();
      expect(plain).toMatch(/^1$/m);
      expect(plain).toContain(`/${basename(own)}\n`);
      const limited = command("--pids-limit 9").stdout.toString();
      expect(limited).toMatch(/^1$/m);
      expect(limited).toContain(`/${basename(own)}/tspod-outside\n`);
    } finally {
      // populated is said of all below it: the network's process of a container may be the last to leave
      await until("it holds nobody", () => read(own, "cgroup.events").startsWith("populated 0"));
      for (const name of readdirSync(own).filter((each) => each.startsWith("tspod-"))) {
        rmdirSync(`${own}/${name}`);
      }
      rmdirSync(own);
      await shared.world.ok("rm", "-f", "neighbour");
    }
  });
});
