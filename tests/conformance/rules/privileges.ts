/** config.md#posix-process and #linux-process: limits, capabilities, and what the kernel is told of the process. */
import { existsSync } from "node:fs";
import type { Rule } from "../rule.ts";

const posix = "config.md#posix-process";
const linux = "config.md#linux-process";

/** The limits that getrlimit(2) names, with the line of /proc/self/limits. */
const limits: [string, string, number, number][] = [
  ["AS", "Max address space", 1 << 30, 1 << 31],
  ["CORE", "Max core file size", 1024, 2048],
  ["CPU", "Max cpu time", 100, 200],
  ["DATA", "Max data size", 1 << 29, 1 << 30],
  ["FSIZE", "Max file size", 1 << 20, 1 << 21],
  ["LOCKS", "Max file locks", 10, 20],
  ["MEMLOCK", "Max locked memory", 4096, 8192],
  ["MSGQUEUE", "Max msgqueue size", 4096, 8192],
  ["NICE", "Max nice priority", 0, 0],
  ["NOFILE", "Max open files", 100, 200],
  ["NPROC", "Max processes", 900, 1000],
  ["RSS", "Max resident set", 1 << 20, 1 << 21],
  ["RTPRIO", "Max realtime priority", 0, 0],
  ["RTTIME", "Max realtime timeout", 1000, 2000],
  ["SIGPENDING", "Max pending signals", 100, 200],
  ["STACK", "Max stack size", 1 << 20, 1 << 21],
];

const limitRules: Rule[] = [
  ...limits.map(([name, line, soft, hard]): Rule => ({
    ...{ section: posix, rule: `RLIMIT_${name} has the configured soft and hard value` },
    config: {
      process: { rlimits: [{ type: `RLIMIT_${name}`, soft, hard: hard >>> 0 }] },
    },
    script: `sed -n 's/^${line} *\\([0-9a-z]*\\) *\\([0-9a-z]*\\).*/\\1 \\2/p' /proc/self/limits`,
    says: `${soft} ${hard >>> 0}`,
  })),
  {
    ...{ section: posix, rule: "an unknown rlimit is refused" },
    config: { process: { rlimits: [{ type: "RLIMIT_NOSUCH", soft: 1, hard: 1 }] } },
    refused: true,
  },
  {
    ...{ section: posix, rule: "an rlimit twice is refused" },
    config: {
      process: {
        rlimits: [
          { type: "RLIMIT_NOFILE", soft: 100, hard: 100 },
          { type: "RLIMIT_NOFILE", soft: 200, hard: 200 },
        ],
      },
    },
    refused: true,
  },
  {
    ...{ section: posix, rule: "a soft limit above the hard one is refused" },
    config: { process: { rlimits: [{ type: "RLIMIT_NOFILE", soft: 200, hard: 100 }] } },
    refused: true,
  },
];

const sets = {
  bounding: "CapBnd",
  effective: "CapEff",
  inheritable: "CapInh",
  permitted: "CapPrm",
};
const line = (name: string): string =>
  `sed -n 's/^${name}:\\t0*\\([0-9a-f]\\)/\\1/p' /proc/self/status`;

/** CAP_CHOWN and CAP_KILL: bits 0 and 5. */
const two = ["CAP_CHOWN", "CAP_KILL"];

const capabilityRules: Rule[] = [
  {
    ...{ section: linux, rule: "bounding is the bounding set" },
    config: { process: { capabilities: { bounding: two } } },
    script: line("CapBnd"),
    says: "21",
  },
  {
    ...{ section: linux, rule: "effective and permitted are what they say, for a root program" },
    config: { process: { capabilities: { bounding: two, effective: two, permitted: two } } },
    script: `${line("CapEff")}; ${line("CapPrm")}`,
    says: "21\n21",
  },
  {
    ...{ section: linux, rule: "a program of another user keeps none that is not ambient" },
    config: {
      process: {
        user: { uid: 1000, gid: 1000 },
        capabilities: { bounding: two, effective: two, permitted: two },
      },
    },
    script: `${line("CapEff")}; ${line("CapPrm")}; ${line("CapAmb")}`,
    says: "0\n0\n0",
  },
  {
    ...{ section: linux, rule: "inheritable is the inheritable set" },
    config: {
      process: { capabilities: { bounding: two, permitted: two, inheritable: ["CAP_KILL"] } },
    },
    script: line("CapInh"),
    says: "20",
  },
  {
    ...{ section: linux, rule: "ambient reaches a program of another user" },
    config: {
      process: {
        user: { uid: 1000, gid: 1000 },
        capabilities: {
          bounding: two,
          permitted: two,
          inheritable: two,
          effective: two,
          ambient: ["CAP_KILL"],
        },
      },
    },
    script: `${line("CapAmb")}; ${line("CapEff")}; ${line("CapPrm")}`,
    says: "20\n20\n20",
  },
  ...Object.entries(sets).map(([set, name]): Rule => ({
    ...{
      section: linux,
      rule: `a capability that does not exist, in ${set}, is a warning at most`,
    },
    config: {
      process: { capabilities: { bounding: two, permitted: two, [set]: [...two, "CAP_NOSUCH"] } },
    },
    script: `${line(name)} | grep -c .`,
    says: "1",
  })),
  {
    ...{ section: linux, rule: "noNewPrivileges sets no_new_privs" },
    config: { process: { noNewPrivileges: true } },
    script: "grep NoNewPrivs /proc/self/status",
    says: "NoNewPrivs:\t1",
  },
  {
    ...{ section: linux, rule: "without noNewPrivileges it is not set" },
    config: { process: { noNewPrivileges: undefined } },
    script: "grep NoNewPrivs /proc/self/status",
    says: "NoNewPrivs:\t0",
  },
];

/** Where the host has no such module, nothing can be honoured. */
const label = (rule: string, process: Record<string, unknown>, module: string): Rule => ({
  ...{ section: linux, rule },
  config: { process },
  refused: true,
  needs: () => (existsSync(`/sys/${module}`) ? "this host has the module" : undefined),
});

/** proc_pid_stat(5): fields 41 and 19; sched(7): the numbers of the policies. */
const policyAndNice = "awk '{ print $41, $19 }' /proc/1/stat";
const [batch, idle] = [3, 5];

const kernelRules: Rule[] = [
  {
    ...{ section: linux, rule: "oomScoreAdj is the process's" },
    config: { process: { oomScoreAdj: 321 } },
    script: "cat /proc/self/oom_score_adj",
    says: "321",
  },
  {
    ...{ section: linux, rule: "without oomScoreAdj it stays the runtime's" },
    script: "cat /proc/self/oom_score_adj",
    says: "0",
  },
  {
    ...{ section: linux, rule: "scheduler: SCHED_BATCH with a nice value" },
    config: { process: { scheduler: { policy: "SCHED_BATCH", nice: 7 } } },
    script: policyAndNice,
    says: `${batch} 7`,
  },
  {
    ...{ section: linux, rule: "scheduler: SCHED_IDLE" },
    config: { process: { scheduler: { policy: "SCHED_IDLE" } } },
    script: policyAndNice,
    says: `${idle} 0`,
  },
  {
    ...{ section: linux, rule: "scheduler: an unknown policy is refused" },
    config: { process: { scheduler: { policy: "SCHED_NOSUCH" } } },
    refused: true,
  },
  {
    ...{ section: linux, rule: "scheduler: an unknown flag is refused" },
    config: { process: { scheduler: { policy: "SCHED_OTHER", flags: ["SCHED_FLAG_NOSUCH"] } } },
    refused: true,
  },
  ...(
    [
      ["IOPRIO_CLASS_BE", 6, "best-effort: prio 6"],
      ["IOPRIO_CLASS_IDLE", 0, "idle"],
    ] as const
  ).map(([name, priority, says]): Rule => ({
    ...{ section: linux, rule: `ioPriority ${name}` },
    config: { process: { ioPriority: { class: name, priority } } },
    script: "ionice -p 1",
    says,
  })),
  {
    ...{ section: linux, rule: "ioPriority: an unknown class is refused" },
    config: { process: { ioPriority: { class: "IOPRIO_CLASS_NOSUCH", priority: 1 } } },
    refused: true,
  },
  {
    ...{ section: linux, rule: "ioPriority: a level above 7 is refused" },
    config: { process: { ioPriority: { class: "IOPRIO_CLASS_BE", priority: 8 } } },
    refused: true,
  },
  label(
    "an AppArmor profile on a host without AppArmor is refused",
    { apparmorProfile: "acme" },
    "kernel/security/apparmor",
  ),
  label(
    "an SELinux label on a host without SELinux is refused",
    { selinuxLabel: "system_u:system_r:svirt_lxc_net_t:s0:c124,c675" },
    "fs/selinux",
  ),
];

export const privilegeRules: Rule[] = [...limitRules, ...capabilityRules, ...kernelRules];
