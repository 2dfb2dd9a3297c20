/** config.json's `process` beyond user and command: where, when and as what a program runs, seen from inside. */
import { describe, expect } from "bun:test";
import { existsSync } from "node:fs";
import { cpus } from "node:os";
import { program, testWith } from "../support/requirements.ts";
import {
  attached,
  Container,
  type ContainerOptions,
  mapping,
  runtimeTest,
} from "./runtime-fixture.ts";

const helper = { attach: attached };
/** config.json's user, and nobody looked up in /etc/passwd. */
const asItStands = { user: undefined } as object;

async function shell(script: string, options: ContainerOptions): Promise<string> {
  await using container = new Container(["sh", "-c", script], { helper, ...options });
  const { stdout, stderr, last } = await container.run();
  expect({ last, stderr }).toEqual({ last: { event: "exited", code: 0 }, stderr: "" });
  return stdout;
}

async function failure(options: ContainerOptions): Promise<string> {
  await using container = new Container(["true"], options);
  const { last } = await container.run();
  expect(last).toMatchObject({ event: "failed" });
  return JSON.stringify(last);
}

describe("scheduling", () => {
  /** proc(5): nice is field 19, the policy field 41. */
  const stat = "cat /proc/self/stat | cut -d' ' -f19,41";
  const policies = [
    { scheduler: { policy: "SCHED_OTHER", nice: 17 }, says: "17 0" },
    { scheduler: { policy: "SCHED_BATCH", nice: 13 }, says: "13 3" },
    { scheduler: { policy: "SCHED_IDLE", nice: 12 }, says: /^\d+ 5$/ },
    {
      scheduler: { policy: "SCHED_BATCH", nice: 19, flags: ["SCHED_FLAG_RESET_ON_FORK"] },
      says: "19 3",
    },
  ];
  runtimeTest.each(policies)("$scheduler", async ({ scheduler, says }) => {
    expect((await shell(stat, { process: { scheduler } })).trim()).toMatch(says);
  });

  runtimeTest("exec has its own, and the container's does not change", async () => {
    await using container = new Container(["sleep", "1000"], {
      process: { scheduler: { policy: "SCHED_OTHER", nice: 15 } },
    });
    await container.run();
    const args = ["sh", "-c", `${stat}; cut -d' ' -f19 /proc/1/stat`];
    const scheduler = { policy: "SCHED_IDLE" };
    const { stdout } = await container.exec([], { process: { args, scheduler } });
    expect(stdout).toMatch(/^\d+ 5\n15\n$/);
  });

  const refused = [
    { scheduler: { policy: "SCHED_NONE" }, says: "no policy" },
    { scheduler: { policy: "SCHED_OTHER", priority: 3 }, says: "knows no priority" },
    { scheduler: { policy: "SCHED_OTHER", nice: 20 }, says: "not between" },
    { scheduler: { policy: "SCHED_RR", runtime: 3 }, says: "no runtime" },
    { scheduler: { policy: "SCHED_OTHER", flags: ["X"] }, says: "no flag" },
    { scheduler: { policy: "SCHED_FIFO", priority: 10 }, says: "EPERM" }, // real root's alone
  ];
  runtimeTest.each(refused)("$scheduler is refused", async ({ scheduler, says }) => {
    expect(await failure({ process: { scheduler } })).toContain(says);
  });

  runtimeTest("I/O priority", async () => {
    const ioPriority = { class: "IOPRIO_CLASS_BE", priority: 6 };
    expect(await shell("ionice -p $$", { process: { ioPriority } })).toBe("best-effort: prio 6\n");
    const wrong = { class: "IOPRIO_CLASS_BE", priority: 9 };
    expect(await failure({ process: { ioPriority: wrong } })).toContain("between 0 and 7");
  });

  const manyTest = testWith(
    program("busybox", "busybox-static"),
    () => mapping.limitation,
    () => (cpus().length > 1 ? undefined : "one CPU only"),
  );
  manyTest("exec runs on the CPUs it was given, run on all of them", async () => {
    const execCPUAffinity = { initial: "0", final: "1" };
    await using container = new Container(["sleep", "1000"], { process: { execCPUAffinity } });
    await container.run();
    const list = async (affinity: object | undefined, pid = "self"): Promise<string> => {
      const args = ["sh", "-c", `grep Cpus_allowed_list /proc/${pid}/status | cut -f2`];
      const process = { args, ...(affinity && { execCPUAffinity: affinity }) };
      return (await container.exec([], { process })).stdout.trim();
    };
    const everywhere = await list(undefined);
    expect(await list(execCPUAffinity)).toBe("1");
    expect(await list({ initial: "0" })).toBe(everywhere);
    expect(await list({ final: "0" })).toBe("0");
    expect(await list(undefined, "1")).toBe(everywhere);
    const bad = await container.exec([], {
      process: { args: ["true"], execCPUAffinity: { final: "1-0" } },
    });
    expect(JSON.stringify(bad.last)).toContain("no list of CPUs");
  });

  const numaTest = testWith(
    program("busybox", "busybox-static"),
    () => mapping.limitation,
    () => (existsSync("/proc/self/numa_maps") ? undefined : "no NUMA in this kernel"),
  );
  numaTest("memory policy", async () => {
    const memoryPolicy = { mode: "MPOL_BIND", nodes: "0", flags: ["MPOL_F_STATIC_NODES"] };
    const script = "grep -c bind=static:0 /proc/self/numa_maps";
    expect(Number(await shell(script, { linux: { memoryPolicy } }))).toBeGreaterThan(0);
    const wrong = { mode: "MPOL_BIND", nodes: "zero" };
    expect(await failure({ linux: { memoryPolicy: wrong } })).toContain("no list of nodes");
  });
});

describe("identity", () => {
  const machine = process.arch === "x64" ? "i686" : "armv8l";
  runtimeTest("personality, for exec as well", async () => {
    await using container = new Container(["sleep", "1000"], {
      linux: { personality: { domain: "LINUX32" } },
    });
    await container.run();
    expect((await container.exec(["uname", "-m"])).stdout).toBe(`${machine}\n`);
    const options = { linux: { personality: { domain: "LINUX32" } } };
    expect(await shell("uname -m", options)).toBe(`${machine}\n`);
    const flags = ["ADDR_NO_RANDOMIZE"];
    expect(await failure({ linux: { personality: { domain: "LINUX", flags } } })).toContain("flag");
    expect(await failure({ linux: { personality: { domain: "SVR4" } } })).toContain("no domain");
  });

  runtimeTest("hundreds of additional groups", async () => {
    const additionalGids = Array.from({ length: 1000 }, (_, i) => i + 2000);
    const user = { uid: 1000, gid: 1000, additionalGids };
    const script = "id -G | wc -w; id -u; grep Groups /proc/self/status | wc -w";
    const text = await shell(script, { process: { user }, helper: { ...helper, ...asItStands } });
    expect(text).toBe("1001\n1000\n1001\n");
  });

  runtimeTest("umask, oom score", async () => {
    const process = { user: { uid: 0, gid: 0, umask: 0o27 }, oomScoreAdj: 700 };
    expect(await shell("umask; cat /proc/self/oom_score_adj", { process })).toBe("0027\n700\n");
    expect(await failure({ process: { oomScoreAdj: 5000 } })).toContain("not between");
  });

  runtimeTest("an oom score that only root may set stays, with a warning", async () => {
    await using container = new Container(["cat", "/proc/self/oom_score_adj"], {
      helper,
      process: { oomScoreAdj: -1000 },
    });
    const { stdout, events } = await container.run();
    expect(stdout).toBe("0\n");
    expect(events[0]).toMatchObject({ event: "warning", code: "config" });
  });

  runtimeTest("unknown capabilities are left out, with one warning", async () => {
    await using container = new Container(["grep", "CapBnd", "/proc/self/status"], {
      helper,
      capabilities: ["CAP_KILL", "CAP_FLYING"],
    });
    const { stdout, events } = await container.run();
    expect(stdout).toBe("CapBnd:\t0000000000000020\n");
    expect(events.filter(({ event }) => event === "warning")).toHaveLength(1);
    expect(JSON.stringify(events[0])).toContain("CAP_FLYING");
  });

  runtimeTest("without capabilities in config.json there are none", async () => {
    await using container = new Container(["grep", "Cap", "/proc/self/status"], { helper });
    container.change((config) => delete config.process.capabilities);
    const { stdout } = await container.run();
    expect(stdout.match(/\t0000000000000000$/gm)).toHaveLength(5);
  });

  runtimeTest("exec has the container's capabilities unless it says which", async () => {
    await using container = new Container(["sleep", "1000"], { capabilities: ["CAP_KILL"] });
    await container.run();
    const { stdout } = await container.exec(["grep", "CapEff", "/proc/self/status"]);
    expect(stdout).toBe("CapEff:\t0000000000000020\n");
  });

  runtimeTest("a small limit on files is the program's, not ours", async () => {
    const rlimits = [{ type: "RLIMIT_NOFILE", soft: 3, hard: 3 }];
    expect(await shell("ulimit -n; echo $HOME", { process: { rlimits } })).toBe("3\n/root\n");
  });

  runtimeTest("a resource that is limited twice", async () => {
    const core = { type: "RLIMIT_CORE", soft: 0, hard: 0 };
    expect(await failure({ process: { rlimits: [core, core] } })).toContain("given twice");
  });

  runtimeTest("a working directory that is not absolute", async () => {
    expect(await failure({ cwd: "tmp" })).toContain("not absolute");
  });
});

describe("labels", () => {
  const appArmorTest = testWith(program("busybox", "busybox-static"), () =>
    existsSync("/sys/module/apparmor") ? "this host has AppArmor" : mapping.limitation,
  );
  appArmorTest("an AppArmor profile where there is no AppArmor", async () => {
    const process = { apparmorProfile: "docker-default" };
    expect(await failure({ process })).toContain("has no AppArmor");
    expect(await shell("echo fine", { process: { apparmorProfile: "" } })).toBe("fine\n");
  });

  const selinuxTest = testWith(program("busybox", "busybox-static"), () =>
    existsSync("/sys/fs/selinux/enforce") ? "this host has SELinux" : mapping.limitation,
  );
  selinuxTest("an SELinux label where there is no SELinux", async () => {
    const process = { selinuxLabel: "system_u:system_r:container_t:s0:c1,c2" };
    expect(await failure({ process })).toContain("has no SELinux");
    await using container = new Container(["sleep", "1000"]);
    await container.run();
    const { last } = await container.exec([], { process: { args: ["true"], ...process } });
    expect(JSON.stringify(last)).toContain("has no SELinux");
  });
});

describe("what is not supported is named", () => {
  const cases = [{ what: "another version", change: { ociVersion: "2.0.0" }, says: "ociVersion" }];
  runtimeTest.each(cases)("$what", async ({ change, says }) => {
    await using container = new Container(["true"]);
    container.change((config) => Object.assign(config, change));
    expect(JSON.stringify((await container.run()).last)).toContain(says);
  });

  const ofLinux = [{ intelRdt: { closID: "x" } }, { netDevices: { eth0: { name: "x" } } }];
  runtimeTest.each(ofLinux)("linux.%j", async (linux) => {
    expect(await failure({ linux })).toContain("not supported");
  });
});
