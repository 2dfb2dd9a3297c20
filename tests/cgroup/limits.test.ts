/** Limits of run, seen by the container in its own cgroup: pids, cpu, cpuset and io, in a part that is delegated. */
import { describe, expect } from "bun:test";
import { readdirSync, statSync } from "node:fs";
import { sharedWorld } from "../support/shared-world.ts";
import { cgroupTest, delegated } from "./fixture.ts";

const shared = sharedWorld({ images: ["tiny"] });
const run = (...words: string[]) => shared.world.tspod(["run", "--rm", ...words]);

/** What the container reads in files of its own group. */
async function inside(flags: string[], ...files: string[]): Promise<string[]> {
  const paths = files.map((file) => `/sys/fs/cgroup/${file}`);
  return (await shared.world.ok("run", "--rm", ...flags, "tiny", "cat", ...paths)).split("\n");
}

const pids = cgroupTest(delegated("pids"));
const cpu = cgroupTest(delegated("cpu"));

describe("what the container sees", () => {
  const test = cgroupTest();

  test("its own group is the top of what there is, read-only", async () => {
    const script = "cat /proc/self/cgroup; mkdir /sys/fs/cgroup/x; ls /sys/fs/cgroup/cgroup.events";
    const { stdout, stderr } = await run("tiny", "sh", "-c", script);
    expect(stdout).toMatch(/^0::\/$/m); // v1 hierarchies come before it
    expect(stdout).toContain("/sys/fs/cgroup/cgroup.events");
    expect(stderr).toContain("Read-only file system");
  });

  test("--cgroups=disabled: it stays where its caller is", async () => {
    const path = "/proc/self/cgroup";
    const own = /^0::.*$/m.exec(await Bun.file(path).text())?.[0];
    const flags = ["--cgroups=disabled", "--cgroupns=host"];
    const seen = await shared.world.ok("run", "--rm", ...flags, "tiny", "cat", path);
    expect(seen.split("\n")).toContain(own ?? "");
  });

  test("--cgroupns=host: it sees where it is", async () => {
    const seen = await shared.world.ok(
      ...["run", "--rm", "--cgroupns=host", "tiny", "cat", "/proc/self/cgroup"],
    );
    expect(/^0::(.*)$/m.exec(seen)?.[1]).toMatch(/\/tspod-[0-9a-f]{64}/);
  });
});

describe("limits", () => {
  pids("--pids-limit is the kernel's, and holds", async () => {
    expect(await inside(["--pids-limit", "7"], "pids.max")).toEqual(["7"]);
    const { stdout, stderr } = await run(
      ...["--pids-limit", "7", "tiny", "sh", "-c"],
      "for i in 1 2 3 4 5 6 7 8 9; do sleep 1 & done; echo done",
    );
    expect(stdout).toBe("");
    expect(stderr).toContain("fork");
  });

  pids("--pids-limit 0 and -1: no limit", async () => {
    expect(await inside(["--pids-limit", "0"], "pids.max")).toEqual(["max"]);
    expect(await inside(["--pids-limit", "-1"], "pids.max")).toEqual(["max"]);
  });

  cpu("--cpus, --cpu-quota, --cpu-period, --cpu-shares", async () => {
    expect(await inside(["--cpus", "0.5"], "cpu.max")).toEqual(["50000 100000"]);
    expect(await inside(["--cpu-quota", "20000"], "cpu.max")).toEqual(["20000 100000"]);
    expect(await inside(["--cpu-period", "50000"], "cpu.max")).toEqual(["max 50000"]);
    const weights = { "2": "1", "1024": "100", "262144": "10000" };
    for (const [shares, weight] of Object.entries(weights)) {
      expect(await inside(["-c", shares], "cpu.weight")).toEqual([weight]);
    }
  });

  cpu("--cpus holds: a busy loop gets its part and no more", async () => {
    const script = "timeout 1 sh -c 'while :; do :; done'; cat /sys/fs/cgroup/cpu.stat";
    const { stdout } = await run("--cpus", "0.2", "tiny", "sh", "-c", script);
    const used = Number(/^usage_usec (\d+)$/m.exec(stdout)?.[1]);
    expect(used).toBeGreaterThan(0);
    expect(used).toBeLessThan(500_000);
    expect(Number(/^nr_throttled (\d+)$/m.exec(stdout)?.[1])).toBeGreaterThan(0);
  });

  cgroupTest(delegated("cpuset"))("--cpuset-cpus and --cpuset-mems", async () => {
    const flags = ["--cpuset-cpus", "0", "--cpuset-mems", "0"];
    const files = ["cpuset.cpus.effective", "cpuset.mems.effective"];
    expect(await inside(flags, ...files)).toEqual(["0", "0"]);
    const status = await shared.world.ok(
      "run",
      "--rm",
      ...flags,
      "tiny",
      "cat",
      "/proc/self/status",
    );
    expect(status).toMatch(/^Cpus_allowed_list:\t0$/m);
  });

  const disk = readdirSync("/sys/block").find((name) => statSync(`/dev/${name}`).isBlockDevice());
  const hasDisk = () => (disk === undefined ? "this host has no disk" : undefined);
  cgroupTest(delegated("io"), hasDisk)("--device-read-bps and the like", async () => {
    const flags = [
      "--device-read-bps",
      `/dev/${disk}:1mb`,
      "--device-write-iops",
      `/dev/${disk}:50`,
    ];
    const [line] = await inside(flags, "io.max");
    expect(line).toMatch(/^\d+:\d+ rbps=1048576 wbps=max riops=max wiops=50$/);
  });

  pids("--cgroup-conf writes any file; one that is not there is refused", async () => {
    expect(await inside(["--cgroup-conf", "pids.max=9"], "pids.max")).toEqual(["9"]);
    expect(await inside(["--cgroup-conf", "cgroup.max.depth=3"], "cgroup.max.depth")).toEqual([
      "3",
    ]);
    const { exitCode, stderr } = await run("--cgroup-conf", "pids.nothing=9", "tiny", "true");
    expect(exitCode).toBe(125);
    expect(stderr).toContain("pids.nothing: this kernel's cgroup v2 has no such limit");
  });

  cgroupTest()(
    "what the host cannot honour is refused with the controller and a remedy",
    async () => {
      const { exitCode, stdout, stderr } = await run("--cpuset-cpus", "4000", "tiny", "true");
      expect({ exitCode, stdout }).toEqual({ exitCode: 125, stdout: "" });
      expect(stderr).toContain("cpuset.cpus: ");
    },
  );

  pids("inspect tells them as docker names them", async () => {
    await shared.world.ok(
      "create",
      "--name",
      "limited",
      "--pids-limit",
      "7",
      "--cpus",
      "1.5",
      "tiny",
    );
    const format = "{{.HostConfig.PidsLimit}} {{.HostConfig.NanoCpus}} {{.HostConfig.Memory}}";
    expect(await shared.world.ok("inspect", "-f", format, "limited")).toBe("7 1500000000 0");
    await shared.world.ok("rm", "limited");
  });
});
