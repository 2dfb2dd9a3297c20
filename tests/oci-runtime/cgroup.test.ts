/** What engines do with a container's cgroup: pause, resume, ps, update, events, kill --all; and without one. */
import { describe, expect } from "bun:test";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { cgroupDelegation, delegatedGroup } from "../support/delegated-cgroup.ts";
import { program, testWith } from "../support/requirements.ts";
import { until } from "../support/wait.ts";
import { Runtime, runtimeTest } from "./runtime.ts";

const cgroupTest = testWith(program("busybox", "busybox-static"), cgroupDelegation);

const running = async (script = "exec sleep 1000"): Promise<Runtime> => {
  const runtime = new Runtime(["sh", "-c", script]);
  await runtime.ok("run", "--detach", "--bundle", "bundle", "c");
  return runtime;
};

/** The directory of the container's group. */
function groupOf(runtime: Runtime): string {
  const state = readFileSync(join(runtime.root, "c/state.json"), "utf8");
  return (JSON.parse(state) as { cgroup: string }).cgroup; // the runtime's own
}

/** The path of that group in the hierarchy. */
function ownGroup(runtime: Runtime): string {
  const { pid } = JSON.parse(readFileSync(join(runtime.root, "c/state.json"), "utf8")) as {
    pid: number; // the runtime's own
  };
  return /^0::(.*)$/m.exec(readFileSync(`/proc/${pid}/cgroup`, "utf8"))?.[1] ?? "";
}

/** Make the record lie. */
function recordGroup(runtime: Runtime, cgroup: string): void {
  const file = join(runtime.root, "c/state.json");
  const state = JSON.parse(readFileSync(file, "utf8")) as object; // the runtime's own
  writeFileSync(file, JSON.stringify({ ...state, cgroup }));
}

describe("with a cgroup", () => {
  cgroupTest(
    "pause stops all of it, resume lets it go on; what makes no sense is refused",
    async () => {
      await using runtime = await running("while :; do echo x >> /tmp/ticks; sleep 0.01; done");
      const ticks = join(runtime.bundle, "rootfs/tmp/ticks");
      const size = (): number => (existsSync(ticks) ? readFileSync(ticks).length : 0);
      await until("it ticks", () => size() > 0);
      await runtime.ok("pause", "c");
      expect((await runtime.state("c")).status).toBe("paused");
      const still = size();
      const refused = await runtime.oci("exec", "c", "true");
      expect(refused.stderr).toContain("cannot exec in a paused container");
      expect(refused.exitCode).toBe(255);
      expect((await runtime.oci("pause", "c")).stderr).toContain("it is paused");
      expect(size()).toBe(still);
      await runtime.ok("resume", "c");
      await until("it ticks again", () => size() > still);
      expect((await runtime.oci("resume", "c")).stderr).toContain("container not paused");
      await runtime.ok("pause", "c");
      await runtime.ok("delete", "--force", "c"); // a frozen process can be killed (cgroup v2)
    },
  );

  cgroupTest("ps, update and events --stats tell and change what the kernel knows", async () => {
    await using runtime = await running();
    await runtime.ok("exec", "--detach", "c", "sleep", "2000");
    const pids = JSON.parse(await runtime.ok("ps", "--format", "json", "c")) as number[];
    expect(pids).toHaveLength(2);
    expect(pids).toContain((await runtime.state("c")).pid);
    expect(await runtime.ok("ps", "c")).toMatch(
      /^UID +PID +PPID +CMD\n.* sleep 1000\n.* sleep 2000\n$/,
    );
    await runtime.ok("update", "--pids-limit", "17", "c");
    expect(readFileSync(join(groupOf(runtime), "pids.max"), "utf8")).toBe("17\n");
    const stats = JSON.parse(await runtime.ok("events", "--stats", "c")) as unknown;
    expect(stats).toMatchObject({
      type: "stats",
      id: "c",
      data: { pids: { current: 2, limit: 17 } },
    });
  });

  cgroupTest("events ends with the container", async () => {
    await using runtime = await running();
    const events = runtime.start(["events", "--interval", "10ms", "c"]);
    await runtime.ok("kill", "c", "KILL");
    const { exitCode } = await events.result;
    expect(exitCode).toBe(0);
  });

  cgroupTest("kill --all reaches every process; delete leaves no cgroup", async () => {
    await using runtime = await running("trap '' TERM; exec sleep 1000");
    await runtime.ok("exec", "--detach", "c", "sleep", "2000");
    const group = groupOf(runtime);
    await runtime.ok("kill", "--all", "c", "TERM"); // the first process is not in its own way
    await until("one is left", async () => {
      const pids = JSON.parse(await runtime.ok("ps", "-f", "json", "c")) as number[];
      return pids.length === 1;
    });
    await runtime.ok("kill", "--all", "c", "KILL");
    await runtime.untilStatus("c", "stopped");
    await runtime.ok("kill", "--all", "c", "TERM");
    await runtime.ok("delete", "c");
    expect(existsSync(group)).toBe(false);
  });

  cgroupTest("a record that names the whole hierarchy kills nobody in it", async () => {
    await using runtime = await running();
    const group = groupOf(runtime);
    const top = group.slice(0, group.length - ownGroup(runtime).length);
    expect(existsSync(join(top, "cgroup.kill"))).toBe(false); // every other group has it
    const bystander = Bun.spawn(["sleep", "1000"]);
    using _ended = { [Symbol.dispose]: () => bystander.kill() };
    recordGroup(runtime, top);
    for (const signal of ["TERM", "KILL"]) {
      const { exitCode, stderr } = await runtime.oci("kill", "--all", "c", signal);
      expect(stderr).toContain(`${top} is the whole hierarchy, not a container's cgroup`);
      expect(exitCode).toBe(1);
    }
    await runtime.ok("delete", "--force", "c");
    expect(bystander.exitCode ?? bystander.signalCode).toBeNull();
    rmdirSync(group);
  });

  cgroupTest("of a group that is gone kill --all and delete are no failures", async () => {
    await using runtime = await running("trap '' TERM; exec sleep 1000");
    const group = groupOf(runtime);
    recordGroup(runtime, `${group}-gone`);
    await runtime.ok("kill", "--all", "c", "TERM"); // then the pid namespace says whose they are
    await runtime.ok("kill", "--all", "c", "KILL");
    await runtime.untilStatus("c", "stopped");
    await runtime.ok("kill", "--all", "c", "KILL");
    await runtime.ok("delete", "c");
    rmdirSync(group);
  });

  cgroupTest(
    "what was left frozen is made anew; below what is frozen nothing is made",
    async () => {
      await using runtime = new Runtime(["true"], (spec) => {
        spec.linux.cgroupsPath = "above/c";
        spec.linux.resources = { pids: { limit: 9 } };
      });
      const above = join(delegatedGroup() ?? "", "above");
      mkdirSync(join(above, "c"), { recursive: true });
      try {
        writeFileSync(join(above, "c/cgroup.freeze"), "1");
        await runtime.ok("run", "--bundle", "bundle", "c");
        writeFileSync(join(above, "cgroup.freeze"), "1");
        const { exitCode, stderr } = await runtime.oci("run", "--bundle", "bundle", "c");
        expect(stderr).toContain(`${above} is frozen, so nothing that is put there starts`);
        expect(exitCode).toBe(1);
        expect(readdirSync(above)).not.toContain("c");
        expect(runtime.containers()).toEqual([]);
      } finally {
        rmdirSync(above);
      }
    },
  );

  cgroupTest("delete kills what shares only the cgroup", async () => {
    await using runtime = new Runtime(["sh", "-c", "sleep 1000 & exit 0"], (spec) => {
      const { namespaces } = spec.linux;
      spec.linux.namespaces = namespaces.filter(({ type }) => type !== "pid");
      spec.mounts = spec.mounts.filter(({ destination }) => destination !== "/proc");
    });
    await runtime.ok("run", "-d", "-b", "bundle", "c");
    await runtime.untilStatus("c", "stopped");
    const group = groupOf(runtime);
    expect(readFileSync(join(group, "cgroup.procs"), "utf8")).not.toBe("");
    await runtime.ok("delete", "c");
    expect(existsSync(group)).toBe(false);
  });
});

describe("without a cgroup", () => {
  const without = ["--cgroup-manager", "disabled"];

  runtimeTest(
    "processes are found by their pid namespace; what needs a group says so",
    async () => {
      await using runtime = new Runtime(["sh", "-c", "trap '' TERM; exec sleep 1000"]);
      await runtime.ok(...without, "run", "-d", "-b", "bundle", "c");
      await runtime.ok("exec", "-d", "c", "sleep", "2000");
      expect(JSON.parse(await runtime.ok("ps", "-f", "json", "c"))).toHaveLength(2);
      for (const words of [["pause"], ["update", "--pids-limit", "5"], ["events", "--stats"]]) {
        const { exitCode, stderr } = await runtime.oci(...words, "c");
        expect(stderr).toContain("no cgroup");
        expect(exitCode).toBe(1);
      }
      await runtime.ok("kill", "--all", "c", "TERM");
      await until("one is left", async () => {
        const pids = JSON.parse(await runtime.ok("ps", "-f", "json", "c")) as number[];
        return pids.length === 1;
      });
      await runtime.ok("kill", "--all", "c", "KILL");
      await runtime.untilStatus("c", "stopped");
      await runtime.ok("kill", "--all", "c", "TERM");
    },
  );

  runtimeTest("a limit that nobody can honour is an error", async () => {
    await using runtime = new Runtime(["true"], (spec) => {
      spec.linux.resources = { pids: { limit: 5 } };
    });
    const { exitCode, stderr } = await runtime.oci(...without, "run", "-b", "bundle", "c");
    expect(stderr).toContain("pids.max");
    expect(exitCode).toBe(1);
    expect(runtime.containers()).toEqual([]);
  });
});
