/** Containers without a pid namespace of their own (--pid=host, --pid=container): --init, and what they leave behind. */
import { describe, expect } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { cgroupDelegation } from "../support/delegated-cgroup.ts";
import { processesOf } from "../support/leaks.ts";
import { program, registryPrograms, testWith } from "../support/requirements.ts";
import { sharedWorld } from "../support/shared-world.ts";
import { until } from "../support/wait.ts";

const shared = sharedWorld({ images: ["tiny"] });
const test = testWith(...registryPrograms);

/** Where the processes of a container show up: the host's own, or those of another container. */
async function place(mode: string) {
  if (mode === "host") return { flag: "--pid=host", [Symbol.asyncDispose]: async () => {} };
  const id = await shared.world.ok("run", "-d", "tiny", "sleep", "1000");
  return {
    flag: `--pid=container:${id}`,
    [Symbol.asyncDispose]: async () => void (await shared.world.ok("rm", "-f", id)),
  };
}

const modes = ["host", "container"] as const;

/** Processes that sleep for so many seconds, and are not dead already. */
function sleepers(seconds: number): string[] {
  return readdirSync("/proc").filter(
    (pid) => /^\d+$/.test(pid) && read(`/proc/${pid}/cmdline`) === `sleep\0${seconds}\0`,
  );
}

function parentOf(pid: string): string {
  return /^PPid:\s+(\d+)/m.exec(read(`/proc/${pid}/status`))?.[1] ?? "";
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // it has ended
  }
}

describe.each(modes)("--pid=%s --init", (mode) => {
  const run = async (script: string, ...flags: string[]) => {
    await using where = await place(mode);
    const words = ["run", "--rm", "--init", where.flag, ...flags, "tiny", "sh", "-c", script];
    return await shared.world.tspod(words);
  };

  test.each([0, 7, 255])("the status %d is passed on", async (status) => {
    expect((await run(`exit ${status}`)).exitCode).toBe(status);
  });

  test("a signal is 128 + its number, a program that is missing 127", async () => {
    expect((await run("kill -9 $$")).exitCode).toBe(137);
    await using where = await place(mode);
    const words = ["run", "--rm", "--init", where.flag, "tiny", "no-such-program"];
    expect((await shared.world.tspod(words)).exitCode).toBe(127);
  });

  test("it is the program's parent, and an orphan's", async () => {
    const script =
      "parent() { sed -n 's/^PPid:.//p' /proc/$1/status; };" +
      "name() { cat /proc/$(parent $1)/comm; };" +
      "name $$; orphan=$(sh -c 'sleep 1000 >/dev/null & echo $!');" +
      "while [ $(parent $orphan) != $(parent $$) ]; do :; done; name $orphan; kill $orphan;" +
      "while test -e /proc/$orphan; do :; done; echo reaped";
    const { stdout, stderr } = await run(script);
    expect({ stdout, stderr }).toEqual({
      stdout: "tspod-init\ntspod-init\nreaped\n",
      stderr: "",
    });
  });

  test("stop reaches the program, kill ends it and init alike", async () => {
    await using where = await place(mode);
    const { world } = shared;
    const script = "trap 'exit 9' TERM; echo ready; while :; do sleep 0.01; done";
    const words = ["run", "-d", "--init", where.flag, "tiny", "sh", "-c", script];
    const id = await world.ok(...words);
    await until("it is ready", async () => (await world.ok("logs", id)) === "ready");
    await world.ok("stop", id);
    expect(await world.ok("wait", id)).toBe("9");
    await world.ok("rm", id);
    const other = await world.ok("run", "-d", "--init", where.flag, "tiny", "sleep", "70001");
    await world.ok("kill", other);
    expect(await world.ok("wait", other)).toBe("137");
    expect(sleepers(70001)).toEqual([]);
    await world.ok("rm", other);
  });

  test("kill -9 of the monitor, or of init, ends the program", async () => {
    for (const generations of [1, 2]) {
      await using where = await place(mode);
      const words = ["run", "-d", "--init", where.flag, "tiny", "sleep", "70004"];
      const id = await shared.world.ok(...words);
      let victim = await until("it sleeps", () => sleepers(70004)[0]);
      for (let i = 0; i < generations; i += 1) victim = parentOf(victim);
      expect(Number(victim)).toBeGreaterThan(1);
      process.kill(Number(victim), "SIGKILL");
      await until("it has ended", () => sleepers(70004).length === 0);
      await shared.world.ok("rm", "-f", id);
    }
  });
});

testWith(...registryPrograms, cgroupDelegation)(
  "what a killed monitor leaves in the cgroup goes with rm, and nothing is left",
  async () => {
    const { world } = shared;
    const script = "setsid sleep 70005 & exec sleep 1000";
    const id = await world.ok("run", "-d", "--pid=host", "tiny", "sh", "-c", script);
    const left = await until("it sleeps", () => sleepers(70005)[0]);
    const [monitor] = processesOf(world.root).filter(({ command }) => command.includes(id));
    if (monitor === undefined) throw new Error("it has no monitor");
    process.kill(monitor.pid, "SIGKILL");
    await until("the program has ended", async () => (await world.ok("ps", "-q")) === "");
    await world.ok("rm", "-f", id);
    expect(sleepers(70005)).not.toContain(left);
  },
);

describe.each(["tspod", "crun"])("what is left behind, --runtime %s", (runtime) => {
  const needs = runtime === "tspod" ? [] : [program(runtime)];
  const kinds = [
    ["--cgroups=disabled", testWith(...registryPrograms, ...needs)],
    ["--cgroups=enabled", testWith(...registryPrograms, ...needs, cgroupDelegation)],
  ] as const;

  for (const [cgroups, testHere] of kinds) {
    testHere.each(["--rm", "--rm --init", "--rm --user=1000", "--rm --name=left", "--rm -t"])(
      `${cgroups} %s: ends with the program`,
      async (flags) => {
        for (const mode of modes) {
          await using where = await place(mode);
          // one that has left its session, one whose parent is gone, and the program is away at once
          const script = "setsid sleep 70002 & (sleep 70002 &); sleep 70002 & exit 3";
          const words = [
            "run",
            ...flags.split(" "),
            `--runtime=${runtime}`,
            "--network=none",
            where.flag,
            cgroups,
          ];
          const result = await shared.world.tspod([...words, "tiny", "sh", "-c", script]);
          expect({ mode, ...result }).toMatchObject({ exitCode: 3, stderr: "" });
          expect(sleepers(70002)).toEqual([]);
        }
      },
    );
  }

  test("others stay", async () => {
    await using box = await place("container");
    const { world } = shared;
    const words = ["run", "-d", box.flag, "--cgroups=disabled", "tiny", "sleep", "70003"];
    const id = await world.ok(...words);
    await world.ok("run", "--rm", box.flag, "--cgroups=disabled", "tiny", "true");
    expect(sleepers(70003)).toHaveLength(1);
    await world.ok("rm", "-f", id);
    expect(sleepers(70003)).toEqual([]);
  });
});
