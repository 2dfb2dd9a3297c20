/** The limit flags: values as docker and podman read them, refusals with a way out. */
import { describe, expect, test } from "bun:test";
import { readdirSync, statSync } from "node:fs";
import { limitFlags, limitOptions } from "../../src/cli/options/limits.ts";
import { parseArguments } from "../../src/cli/parse.ts";
import { TspodError } from "../../src/errors.ts";
import { type LimitOptions, noLimits } from "../../src/spec/index.ts";
import { testWith } from "../support/requirements.ts";

async function limits(...argv: string[]): Promise<LimitOptions | undefined> {
  const rules = { command: "tspod run", stopsAtArgument: true };
  const { flags } = parseArguments(argv, limitFlags, rules);
  return (await limitOptions(flags)).limits;
}

const kib = 1024;

describe("values", () => {
  test("nothing asked for is nothing at all", async () => {
    expect(await limits()).toBeUndefined();
    expect(await limits("--oom-kill-disable=false")).toBeUndefined();
  });

  test.each<[string[], Partial<LimitOptions>]>([
    [["-m", "512k"], { memory: 512 * kib }],
    [["--memory=1.5g"], { memory: 1.5 * kib ** 3 }],
    [["-m4m", "--memory-swap", "-1"], { memory: 4 * kib ** 2, memorySwap: -1 }],
    [["-m", "4m", "--memory-swap=8m"], { memory: 4 * kib ** 2, memorySwap: 8 * kib ** 2 }],
    [["--memory-reservation", "100"], { memoryReservation: 100 }],
    [["--oom-score-adj", "-5"], { oomScoreAdj: -5 }],
    [["--cpus", "1.5"], { nanoCpus: 1.5e9 }],
    [["--cpus", ".01"], { nanoCpus: 1e7 }],
    [["--cpus", "0"], { nanoCpus: null }],
    [["-c", "512"], { cpuShares: 512 }],
    [["--cpu-period", "50000", "--cpu-quota", "-1"], { cpuPeriod: 50_000, cpuQuota: -1 }],
    [["--cpuset-cpus", "0-2,5", "--cpuset-mems=0"], { cpusetCpus: "0-2,5", cpusetMems: "0" }],
    [["--pids-limit", "100"], { pids: 100 }],
    [["--pids-limit", "0"], { pids: -1 }],
    [["--pids-limit=-1"], { pids: -1 }],
    [["--blkio-weight", "300"], { blkioWeight: 300 }],
    [["--cgroup-parent", "/a/b"], { cgroupParent: "/a/b" }],
    [["--cgroups", "split"], { cgroups: "split" }],
    [
      ["--cgroup-conf", "memory.high=1g", "--cgroup-conf=io.max=8:0 rbps=5"],
      { unified: { "memory.high": "1g", "io.max": "8:0 rbps=5" } },
    ],
    [["--memory-swappiness", "-1"], {}],
  ])("%j", async (argv, expected) => {
    expect(await limits(...argv)).toEqual({ ...noLimits, ...expected });
  });

  test("what cgroup v2 has no word for is passed over and told, as docker and podman do", async () => {
    expect((await limits("--memory-swappiness", "60"))?.ignored).toEqual([
      "--memory-swappiness is passed over: cgroup v2 has no such limit",
    ]);
    expect((await limits("--oom-kill-disable"))?.ignored).toHaveLength(1);
  });

  const disk = readdirSync("/dev").find(
    (name) => /^(vd|sd|loop|nvme)\w+$/.test(name) && isDisk(name),
  );
  const diskTest = testWith(() => (disk === undefined ? "this host has no disk" : undefined));
  diskTest("a disk is known by its number", async () => {
    const path = `/dev/${disk}`;
    const found = await limits(
      "--device-read-bps",
      `${path}:1mb`,
      "--blkio-weight-device",
      `${path}:20`,
    );
    const { rdev } = statSync(path);
    const device = { path, major: (rdev >> 8) & 0xfff, minor: rdev & 0xff };
    expect(found?.throttle).toEqual([{ ...device, kind: "readBps", rate: kib ** 2 }]);
    expect(found?.blkioWeightDevice).toEqual([{ ...device, weight: 20 }]);
  });
});

function isDisk(name: string): boolean {
  return statSync(`/dev/${name}`, { throwIfNoEntry: false })?.isBlockDevice() === true;
}

describe("refusals", () => {
  test.each<[string[], string]>([
    [["-m", "much"], "it is not a size"],
    [["-m", "-5"], "it is not a size"],
    [["--memory-swap", "5m"], "it needs --memory as well"],
    [["-m", "5m", "--memory-swap", "4m"], "cannot be less than --memory"],
    [["-m", "5m", "--memory-reservation", "6m"], "cannot be more than --memory"],
    [["--memory-swappiness", "101"], 'Invalid --memory-swappiness "101"'],
    [["--kernel-memory", "5m"], "--kernel-memory cannot be limited alone"],
    [["--oom-score-adj", "1001"], 'Invalid --oom-score-adj "1001"'],
    [["--cpus", "two"], 'Invalid --cpus "two"'],
    [["--cpus", "-1"], 'Invalid --cpus "-1"'],
    [["--cpus", "0.001"], 'Invalid --cpus "0.001"'],
    [["--cpus", "1", "--cpu-quota", "5000"], "--cpus says the same"],
    [["--cpu-shares", "x"], 'Invalid --cpu-shares "x"'],
    [["--cpu-period", "999"], 'Invalid --cpu-period "999"'],
    [["--cpu-quota", "999"], 'Invalid --cpu-quota "999"'],
    [["--cpu-rt-period", "5"], "--cpu-rt-period has no counterpart"],
    [["--cpu-rt-runtime", "5"], "--cpu-rt-runtime has no counterpart"],
    [["--cpuset-cpus", "0-"], 'Invalid --cpuset-cpus "0-"'],
    [["--cpuset-cpus", "3-1"], 'Invalid --cpuset-cpus "3-1"'],
    [["--cpuset-mems", "a"], 'Invalid --cpuset-mems "a"'],
    [["--pids-limit", "-2"], 'Invalid --pids-limit "-2"'],
    [["--blkio-weight", "9"], 'Invalid --blkio-weight "9"'],
    [["--blkio-weight-device", "/dev/null:20"], "is no block device"],
    [["--device-read-bps", "sda:1mb"], "write it as in /dev/sda:1mb"],
    [["--device-write-bps", "/dev/nowhere:1mb"], "is no block device"],
    [["--device-read-iops", "/etc/passwd:5"], "is no block device"],
    [["--device-write-iops", "5"], 'Invalid --device-write-iops "5"'],
    [["--cgroups", "maybe"], 'Invalid --cgroups "maybe"'],
    [["--cgroup-conf", "memory"], 'Invalid --cgroup-conf "memory"'],
    [["--cgroup-conf", "../x.y=1"], 'Invalid --cgroup-conf "../x.y=1"'],
    [["--cgroups=disabled", "-m", "5m"], "--cgroups=disabled leaves"],
  ])("%j", async (argv, message) => {
    const error = await limits(...argv).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(TspodError);
    const { message: told, next } = error as TspodError; // the line before says so
    expect(`${told}; ${next}`).toContain(message);
    expect(next).not.toBeEmpty();
  });

  test.each<[string, object]>([
    ["c 42:* rwm", { allow: true, type: "c", major: 42, access: "rwm" }],
    ["a *:* r", { allow: true, type: "a", access: "r" }],
    ["b 8:1 w", { allow: true, type: "b", major: 8, minor: 1, access: "w" }],
  ])("--device-cgroup-rule %j is root's", async (rule, expected) => {
    const found = limits("--device-cgroup-rule", rule);
    if (process.geteuid?.() === 0) expect((await found)?.deviceRules).toEqual([expected as never]);
    else expect(found).rejects.toThrow("for containers that root runs");
  });
});
