/** config-linux.md#control-groups, of cgroup v2, where a group is delegated to the user that runs the tests. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Change } from "../config.ts";
import type { Rule } from "../rule.ts";
import { delegatedGroup } from "../../support/delegated-cgroup.ts";
import type { Column } from "../runtimes.ts";
import type { Trial } from "../trial.ts";

const path = "config-linux.md#cgroups-path";
const group = delegatedGroup();

const needs = (): string | undefined =>
  group === undefined ? "no delegated cgroup v2 (a systemd user session has one)" : undefined;

const unless = ({ isOrdinary }: Column): string | undefined =>
  isOrdinary ? "its group is the same as in the place" : undefined;

/** Controllers of the host's that the group has not. */
const lacks = (controller: string): string | undefined =>
  group !== undefined &&
  readFileSync(join(group, "cgroup.controllers"), "utf8").includes(controller)
    ? undefined
    : `no controller ${controller}`;

const mounted: NonNullable<Change["mounts"]> = [
  {
    ...{ destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup" },
    options: ["nosuid", "noexec", "nodev", "ro"],
  },
];

/** A file of the container's own group. */
function file(
  name: string,
  section: string,
  resources: Record<string, unknown>,
  says: string | RegExp,
): Rule {
  const rule = `${JSON.stringify(resources).replaceAll('"', "").slice(1, -1)} is ${name}`;
  return {
    ...{ section: `config-linux.md#${section}`, rule, unless },
    config: (trial) => ({
      mounts: mounted,
      linux: { cgroupsPath: `/${trial.id}`, resources },
    }),
    script: `cat /sys/fs/cgroup/${name}`,
    says,
    needs: () => needs() ?? lacks(name.split(".")[0] ?? ""),
  };
}

function refused(section: string, rule: string, resources: Record<string, unknown>): Rule {
  return {
    ...{ section: `config-linux.md#${section}`, rule, unless, needs, refused: true },
    config: (trial) => ({ linux: { cgroupsPath: `/${trial.id}`, resources } }),
  };
}

/** Where the container's process is, as the place sees it. */
async function whereIs(trial: Trial): Promise<string> {
  const created = await trial.create();
  if (created.status !== 0) throw new Error(created.stderr);
  const pid = (await trial.state())?.pid;
  return await trial.host(`sed -n 's/^0:://p' /proc/${pid}/cgroup`);
}

export const cgroupRules: Rule[] = [
  {
    ...{ section: path, rule: "an absolute path is relative to the mount point", unless, needs },
    config: (trial) => ({ linux: { cgroupsPath: `/${trial.id}` } }),
    observe: async (trial) => (await whereIs(trial)).replace(trial.id, "ID"),
    says: "/ID",
  },
  {
    ...{
      section: path,
      rule: "the group is made with its parents when it is not there",
      unless,
      needs,
    },
    config: (trial) => ({ linux: { cgroupsPath: `/${trial.id}/a/b` } }),
    observe: async (trial) => (await whereIs(trial)).replace(trial.id, "ID"),
    says: "/ID/a/b",
  },
  {
    ...{ section: path, rule: "the same value is the same place", unless, needs },
    config: (trial) => ({ linux: { cgroupsPath: `${trial.id}-relative` } }),
    observe: async (trial) => {
      const first = await whereIs(trial);
      await trial.delete("--force");
      return String((await whereIs(trial)) === first && first.includes(`${trial.id}-relative`));
    },
    says: "true",
  },
  {
    ...{ section: path, rule: "delete takes the group away", unless, needs },
    config: (trial) => ({ linux: { cgroupsPath: `/${trial.id}` } }),
    observe: async (trial) => {
      await whereIs(trial);
      const list = `test -d /sys/fs/cgroup/${trial.id} && echo there || echo gone`;
      const before = await trial.host(list);
      await trial.kill();
      await trial.reaches("stopped");
      await trial.delete();
      return `${before} ${await trial.host(list)}`;
    },
    says: "there gone",
  },
  {
    ...{
      section: "config-linux.md#namespaces",
      rule: "a cgroup namespace has the container's group as its root",
    },
    config: (trial) => ({ mounts: mounted, linux: { cgroupsPath: `/${trial.id}` } }),
    script: "sed -n 's/^0:://p' /proc/self/cgroup; test -f /sys/fs/cgroup/cgroup.type && echo own",
    says: "/\nown",
    ...{ unless, needs },
  },
  file("pids.max", "pids", { pids: { limit: 77 } }, "77"),
  file("pids.max", "pids", { pids: { limit: -1 } }, "max"),
  file("cpu.max", "cpu", { cpu: { quota: 20_000, period: 50_000 } }, "20000 50000"),
  file("cpu.max", "cpu", { cpu: { quota: -1, period: 50_000 } }, "max 50000"),
  file("cpu.weight", "cpu", { cpu: { shares: 1024 } }, /^(39|100)$/),
  file("cpu.weight", "cpu", { cpu: { shares: 2 } }, "1"),
  file("cpu.max.burst", "cpu", { cpu: { quota: 20_000, period: 50_000, burst: 10_000 } }, "10000"),
  file("cpu.idle", "cpu", { cpu: { idle: 1 } }, "1"),
  file("cpuset.cpus", "cpu", { cpu: { cpus: "0" } }, "0"),
  file("cpuset.mems", "cpu", { cpu: { mems: "0" } }, "0"),
  file("pids.max", "unified", { unified: { "pids.max": "55" } }, "55"),
  file("cpu.weight", "unified", { unified: { "cpu.weight": "123" } }, "123"),
  refused("unified", "a controller that is not there is an error", {
    unified: { "nosuch.max": "1" },
  }),
  refused("unified", "a value that the kernel does not take is an error", {
    unified: { "pids.max": "few" },
  }),
  refused("unified", "a name that leaves the group is an error", {
    unified: { "../cgroup.procs": "1" },
  }),
  refused("unified", "realtime scheduling, which v2 has not, is an error", {
    cpu: { realtimeRuntime: 9500, realtimePeriod: 10_000 },
  }),
  refused("cpu", "CPUs that the host has not are an error", { cpu: { cpus: "4000" } }),
];
