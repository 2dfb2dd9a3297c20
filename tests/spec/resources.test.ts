/** linuxResources(): what was asked for as config.json's `linux.resources`; contradictions are refused. */
import { describe, expect, test } from "bun:test";
import { TspodError } from "../../src/errors.ts";
import { defaultSetup, type LimitOptions, linuxResources, noLimits } from "../../src/spec/index.ts";
import { build, host } from "./build-fixture.ts";

const mib = 1024 * 1024;
const resources = (asked: Partial<LimitOptions>) => linuxResources({ ...noLimits, ...asked });

describe("linuxResources()", () => {
  test("says nothing where nothing is asked for", () => {
    expect(resources({})).toBeUndefined();
    expect(resources({ memory: 0, cpuShares: 0, cpuQuota: 0, blkioWeight: 0 })).toBeUndefined();
    expect(resources({ oomScoreAdj: 500, cgroupParent: "x", cgroups: "split" })).toBeUndefined();
  });

  const disk = { path: "/dev/x", major: 8, minor: 16 };
  test.each<[string, Partial<LimitOptions>, object]>([
    [
      "swap is as much again",
      { memory: 64 * mib },
      { memory: { limit: 64 * mib, swap: 128 * mib } },
    ],
    ["or what is said", { memory: 64, memorySwap: 80 }, { memory: { limit: 64, swap: 80 } }],
    ["or none", { memory: 64, memorySwap: 64 }, { memory: { limit: 64, swap: 64 } }],
    ["or all there is", { memory: 64, memorySwap: -1 }, { memory: { limit: 64, swap: -1 } }],
    ["0 is not said", { memory: 64, memorySwap: 0 }, { memory: { limit: 64, swap: 128 } }],
    ["a reservation alone", { memoryReservation: 5 }, { memory: { reservation: 5 } }],
    ["processors", { nanoCpus: 1.5e9 }, { cpu: { quota: 150_000, period: 100_000 } }],
    ["a hundredth of one", { nanoCpus: 1e7 }, { cpu: { quota: 1000, period: 100_000 } }],
    ["a quota", { cpuQuota: 5000, cpuPeriod: 10_000 }, { cpu: { quota: 5000, period: 10_000 } }],
    ["no quota", { cpuQuota: -1 }, { cpu: { quota: -1 } }],
    ["sets", { cpusetCpus: "0-1", cpusetMems: "0" }, { cpu: { cpus: "0-1", mems: "0" } }],
    ["processes", { pids: 5 }, { pids: { limit: 5 } }],
    ["all the processes", { pids: -1 }, { pids: { limit: -1 } }],
    [
      "disks",
      {
        blkioWeight: 100,
        blkioWeightDevice: [{ ...disk, weight: 200 }],
        throttle: [
          { ...disk, kind: "readBps", rate: 7 },
          { ...disk, kind: "writeIops", rate: 9 },
        ],
      },
      {
        blockIO: {
          weight: 100,
          weightDevice: [{ major: 8, minor: 16, weight: 200 }],
          throttleReadBpsDevice: [{ major: 8, minor: 16, rate: 7 }],
          throttleWriteIOPSDevice: [{ major: 8, minor: 16, rate: 9 }],
        },
      },
    ],
    ["files", { unified: { "memory.high": "5" } }, { unified: { "memory.high": "5" } }],
    [
      "devices, and no others",
      { deviceRules: [{ allow: true, type: "c", major: 42, access: "rwm" }] },
      {
        devices: [
          { allow: false, access: "rwm" },
          { allow: true, type: "c", major: 42, access: "rwm" },
        ],
      },
    ],
  ])("%s", (_, asked, expected) => {
    expect(resources(asked)).toEqual(expected);
  });

  test.each<[string, Partial<LimitOptions>]>([
    ["--memory-swap counts memory and swap together, so it needs", { memorySwap: 5 }],
    ["--memory-swap counts memory and swap together, so it needs", { memorySwap: -1 }],
    ["cannot be less than --memory", { memory: 6, memorySwap: 5 }],
    ["--memory-reservation cannot be more", { memory: 5, memoryReservation: 6 }],
    ["--cpus says the same", { nanoCpus: 1e9, cpuQuota: 5000 }],
    ["--cpus says the same", { nanoCpus: 1e9, cpuPeriod: 5000 }],
    ['"memory.max" is set by another flag', { memory: 5, unified: { "memory.max": "6" } }],
    ['"pids.max" is set by another flag', { pids: 5, unified: { "pids.max": "6" } }],
    ["--cgroups=disabled leaves", { cgroups: "disabled", memory: 5 }],
    ["--cgroups=disabled leaves", { cgroups: "disabled", unified: { "pids.max": "6" } }],
    ["--cgroups=disabled leaves", { cgroups: "disabled", cgroupParent: "x" }],
  ])("refuses: %s", (message, asked) => {
    expect(() => resources(asked)).toThrow(TspodError);
    expect(() => resources(asked)).toThrow(message);
  });
});

describe("buildSpec()", () => {
  const limited = (asked: Partial<LimitOptions>) => build({ limits: { ...noLimits, ...asked } });

  test("config.json has the limits, and no word of them without", () => {
    expect(build().config.linux.resources).toBeUndefined();
    expect(build().config.process.oomScoreAdj).toBeUndefined();
    expect(limited({ pids: 5 }).config.linux.resources).toEqual({ pids: { limit: 5 } });
    expect(limited({ oomScoreAdj: 0 }).config.process.oomScoreAdj).toBe(0);
  });

  test("rules for devices allow those of --device too; without rules nothing is refused", () => {
    const rule = { allow: true, type: "c", major: 42, access: "r" };
    const fuse = { source: "/dev/fuse", destination: "/dev/else", permissions: "rw" };
    const setup = { ...defaultSetup, devices: [fuse], hostDevices: ["/dev/gone"] };
    const limits = { ...noLimits, deviceRules: [rule] };
    expect(build({ limits, setup }).config.linux.resources?.devices).toEqual([
      { allow: false, access: "rwm" },
      rule,
      { allow: true, type: "c", major: 10, minor: 229, access: "rw" },
    ]);
    expect(build({ setup }).config.linux.resources).toBeUndefined();
  });

  test.each<[Partial<LimitOptions>, object]>([
    [{}, { manager: host.cgroupManager(), parent: null }],
    [{ cgroups: "no-conmon" }, { manager: host.cgroupManager(), parent: null }],
    [{ cgroupParent: "my.slice" }, { manager: host.cgroupManager(), parent: "my.slice" }],
    [{ cgroups: "disabled" }, { manager: "none", parent: null }],
    [{ cgroups: "split" }, { manager: "cgroupfs", parent: null, isSplit: true }],
  ])("helper.json says who makes the group: %j", (asked, expected) => {
    expect(limited(asked).helper.cgroup).toEqual(expected as never);
  });
});
