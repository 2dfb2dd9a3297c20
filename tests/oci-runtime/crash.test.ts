/** SIGKILL at any moment: what is left can be deleted and made again, and nothing runs that nobody knows of. */
import { describe, expect } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import { type IdRange, readSubordinateIds } from "../../src/host/index.ts";
import type { IdMappingLine } from "../../src/oci/runtime-spec.ts";
import { program, type Requirement, testWith } from "../support/requirements.ts";
import { delay, until } from "../support/wait.ts";
import { Runtime, runtimeTest } from "./runtime.ts";

/** How long the containers of these tests sleep: their program is known by it. */
const sleep = ["sleep", `${1_000_000 + process.pid}`];

/** Processes of this root, and programs of its containers: by their command line. */
function processesOf(runtime: Runtime): string[] {
  return readdirSync("/proc").filter((name) => {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) return false;
    try {
      const status = readFileSync(`/proc/${name}/status`, "utf8");
      if (/^State:\s+Z/m.test(status)) return false; // it waits only for whoever is process 1
      const words = readFileSync(`/proc/${name}/cmdline`, "utf8");
      return words.includes(runtime.root) || words.includes(sleep.join("\0"));
    } catch {
      return false; // it ended, or is somebody else's
    }
  });
}

const trials = 25;
/** Longer than a create takes. */
const longestMs = 25;
const trialTimeoutMs = 120_000;

describe("kill -9", () => {
  for (const verb of [["create"], ["run", "--detach"]]) {
    runtimeTest(
      `of ${verb.join(" ")}`,
      async () => {
        await using runtime = new Runtime(sleep);
        for (let trial = 0; trial < trials; trial++) {
          const started = runtime.start([...verb, "--bundle", "bundle", "c"]);
          await delay((trial * longestMs) / trials);
          started.process.kill("SIGKILL");
          await started.process.exited;
          if (trial % 2 === 0) {
            // the next create of the same id takes over, unless it is on record or what was begun is not gone yet
            const again = await runtime.oci("create", "--bundle", "bundle", "c");
            if (again.exitCode === 0) expect((await runtime.state("c")).status).toBe("created");
            else expect(again.stderr).toContain("already exists");
          }
          await runtime.ok("delete", "--force", "c");
          expect(runtime.containers()).toEqual([]);
        }
        await until("nothing of it runs", () => processesOf(runtime).length === 0);
      },
      trialTimeoutMs,
    );
  }

  runtimeTest("of start: the container runs, or has stopped, and can be deleted", async () => {
    await using runtime = new Runtime(sleep);
    for (let trial = 0; trial < 10; trial++) {
      await runtime.create("c");
      const started = runtime.start(["start", "c"]);
      await delay(trial / 2);
      started.process.kill("SIGKILL");
      await started.process.exited;
      expect(["created", "running", "stopped"]).toContain((await runtime.state("c")).status);
      await runtime.ok("delete", "--force", "c");
    }
  });

  runtimeTest("of the container while a hook keeps its maker waiting", async () => {
    await using runtime = new Runtime(sleep, (spec) => {
      const script = "touch hooked; exec sleep 1000";
      spec.hooks = { createRuntime: [{ path: "/bin/sh", args: ["sh", "-c", script] }] };
    });
    const maker = runtime.start(["create", "--bundle", "bundle", "c"]);
    await until("the hook runs", () => existsSync(join(runtime.bundle, "hooked")));
    expect((await runtime.state("c")).status).toBe("creating");
    expect((await runtime.oci("delete", "c")).exitCode).toBe(1);
    await runtime.ok("delete", "--force", "c");
    const { exitCode, stderr } = await maker.result;
    expect(stderr).toContain("was ended, for the container was");
    expect(exitCode).toBe(1);
    expect(runtime.containers()).toEqual([]);
  });

  const subordinate = (path: string): IdRange | undefined =>
    readSubordinateIds(path, [userInfo().username, String(userInfo().uid)])[0];
  const ranges: Requirement = () =>
    subordinate("/etc/subuid") && subordinate("/etc/subgid")
      ? undefined
      : "this user has no subordinate ids";

  testWith(
    program("busybox", "busybox-static"),
    program("newuidmap", "uidmap"),
    ranges,
  )("of what is deleted by force before anything is known of it", async () => {
    await using runtime = new Runtime(sleep, (spec) => {
      const two = (own: number, { start = 0 } = {}): IdMappingLine[] => [
        { containerID: 0, hostID: own, size: 1 },
        { containerID: 1, hostID: start, size: 1 },
      ];
      const { uid, gid } = userInfo();
      spec.linux.uidMappings = two(uid, subordinate("/etc/subuid"));
      spec.linux.gidMappings = two(gid, subordinate("/etc/subgid"));
    });
    // Its maker waits with the process there, before it has written down which one that is.
    const tools = mkdtempSync(join(runtime.base, "tools-"));
    const real = Bun.which("newuidmap", { PATH: `${process.env.PATH}:/usr/sbin:/sbin` });
    const script = `#!/bin/sh\n: >${tools}/asked\nread -r line <${tools}/go\nexec ${real} "$@"\n`;
    writeFileSync(join(tools, "newuidmap"), script, { mode: 0o755 });
    expect(Bun.spawnSync(["mkfifo", join(tools, "go")]).exitCode).toBe(0);
    const path = `${tools}:${process.env.PATH}`;
    const maker = runtime.start(["create", "-b", "bundle", "c"], { environment: { PATH: path } });
    await until("it is asked for its ids", () => existsSync(join(tools, "asked")));
    const deleting = runtime.start(["delete", "--force", "c"]);
    const waiting = new RegExp(`-> FLOCK .* ${deleting.process.pid} `);
    await until("it waits", () => waiting.test(readFileSync("/proc/locks", "utf8")));
    writeFileSync(join(tools, "go"), "\n");
    await maker.process.exited;
    expect(maker.process.exitCode).toBe(0);
    expect(await deleting.result).toEqual({ exitCode: 0, stdout: "", stderr: "" });
    expect(runtime.containers()).toEqual([]);
    await until("nothing of it runs", () => processesOf(runtime).length === 0);
  });
});
