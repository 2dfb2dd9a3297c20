/** config-linux.md: namespaces, user namespace mappings, time offsets, sysctl, personality, Intel RDT. */
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { mapping } from "../runtimes.ts";
import { namespaces, namespacesBut } from "../config.ts";
import type { Rule } from "../rule.ts";
import type { Trial } from "../trial.ts";

const section = "config-linux.md#namespaces";
const user = "config-linux.md#user-namespace-mappings";
const time = "config-linux.md#offset-for-time-namespace";
const sysctl = "config-linux.md#sysctl";
const personality = "config-linux.md#personality";

/** Type of config.json and name in /proc/PID/ns. */
const kinds = [
  ["pid", "pid"],
  ["network", "net"],
  ["mount", "mnt"],
  ["ipc", "ipc"],
  ["uts", "uts"],
  ["cgroup", "cgroup"],
] as const;

const link = (file: string): string => `readlink /proc/self/ns/${file}`;

/** A program of the host holds namespaces open; its pid as the runtime sees it. */
async function holder(trial: Trial, flags: string): Promise<string> {
  const go = `unshare ${flags} sh -c 'echo $$ >${trial.shared}/pid; exec sleep 600' </dev/null >/dev/null 2>&1 &`;
  await trial.host(`${go} while ! test -s ${trial.shared}/pid; do sleep 0.01; done`);
  return trial.log("pid");
}

async function joining(trial: Trial, type: string, file: string, flags: string): Promise<string> {
  const pid = await holder(trial, flags);
  const path = `/proc/${pid}/ns/${file}`;
  const config = trial.read();
  config.linux.namespaces = (config.linux.namespaces as { type: string }[]).map((one) =>
    one.type === type ? { type, path } : one,
  );
  trial.write(config);
  const { status, stdout, stderr } = await trial.run();
  const expected = await trial.host(`readlink ${path}`);
  await trial.host(`kill ${pid}`);
  if (status !== 0) return stderr;
  return stdout.trim() === expected ? "joined" : `elsewhere: ${stdout}`;
}

const unless: Rule["unless"] = ({ isOrdinary }) =>
  isOrdinary ? "an ordinary user has no such namespace to join" : undefined;

const namespaceRulesProper: Rule[] = [
  ...kinds.map(([type, file]): Rule => ({
    ...{ section, rule: `${type} without a path is a new one` },
    script: link(file),
    observe: async (trial) => {
      const outside = await trial.host(link(file));
      const { status, stdout, stderr } = await trial.run();
      return status === 0 ? (stdout.trim() === outside ? "the same" : "new") : stderr;
    },
    says: "new",
  })),
  ...kinds
    .filter(([type]) => type !== "mount")
    .map(([type, file]): Rule => ({
      ...{ section, rule: `without ${type} it is the runtime's` },
      config: {
        ...(type === "uts" ? { hostname: undefined } : {}),
        linux: { namespaces: namespacesBut(type) },
        process: { args: ["sh", "-c", link(file)] },
      },
      observe: async (trial) => {
        const outside = await trial.host(link(file));
        const config = trial.read();
        // without a network namespace of its own nobody may mount a new sysfs, without a pid namespace a new proc
        if (type === "network") config.mounts = config.mounts.filter((m) => m.type !== "sysfs");
        trial.write(config);
        const { status, stdout, stderr } = await trial.run();
        return status === 0 ? (stdout.trim() === outside ? "the same" : "new") : stderr.trim();
      },
      says: "the same",
      unless: ({ isOrdinary }) =>
        isOrdinary && type === "pid" ? "a new proc needs a pid namespace of one's own" : undefined,
    })),
  ...(
    [
      ["network", "net", "--net"],
      ["ipc", "ipc", "--ipc"],
      ["uts", "uts", "--uts"],
      ["cgroup", "cgroup", "--cgroup"],
    ] as const
  ).map(([type, file, flags]): Rule => ({
    ...{ section, rule: `${type} with a path is joined` },
    config: type === "uts" ? { hostname: undefined } : {},
    script: link(file),
    observe: async (trial) => await joining(trial, type, file, flags),
    says: "joined",
    unless,
  })),
  {
    ...{ section, rule: "pid with a path is joined" },
    script: link("pid"),
    observe: async (trial) => await joining(trial, "pid", "pid_for_children", "--pid --fork"),
    says: "joined",
    unless: () => "tried by the attacks",
  },
  {
    ...{ section, rule: "a path of another type is refused" },
    config: {
      linux: {
        namespaces: [...namespacesBut("network"), { type: "network", path: "/proc/self/ns/uts" }],
      },
    },
    refused: true,
  },
  {
    ...{ section, rule: "a path that is no namespace is refused" },
    config: {
      linux: {
        namespaces: [...namespacesBut("network"), { type: "network", path: "/etc/passwd" }],
      },
    },
    refused: true,
  },
  {
    ...{ section, rule: "a path where nothing is is refused" },
    config: {
      linux: { namespaces: [...namespacesBut("network"), { type: "network", path: "/nowhere" }] },
    },
    refused: true,
  },
  {
    ...{ section, rule: "a relative path is refused" },
    config: (trial) => {
      writeFileSync(join(trial.bundle, "ns"), "");
      const path = "../../proc/self/ns/net";
      return { linux: { namespaces: [...namespacesBut("network"), { type: "network", path }] } };
    },
    refused: true,
  },
  {
    ...{ section, rule: "a type twice is refused" },
    config: { linux: { namespaces: [...namespaces, { type: "uts" }] } },
    refused: true,
  },
  {
    ...{ section, rule: "an unknown type is refused" },
    config: { linux: { namespaces: [...namespaces, { type: "nosuch" }] } },
    refused: true,
  },
  {
    ...{ section, rule: "time is a new one" },
    config: { linux: { namespaces: [...namespaces, { type: "time" }] } },
    script: link("time"),
    observe: async (trial) => {
      const outside = await trial.host(link("time"));
      const { status, stdout, stderr } = await trial.run();
      return status === 0 ? (stdout.trim() === outside ? "the same" : "new") : stderr.trim();
    },
    says: "new",
  },
];

/** Of the ids that the place has, or that the ordinary user has. */
const inPlace = [
  { containerID: 0, hostID: 1000, size: 10 },
  { containerID: 10, hostID: 0, size: 1 },
];

const userRules: Rule[] = [
  {
    ...{ section: user, rule: "uidMappings and gidMappings are the maps" },
    config: {
      linux: {
        namespaces: [{ type: "user" }, ...namespaces],
        ...{ uidMappings: inPlace, gidMappings: inPlace },
      },
    },
    script: "cat /proc/self/uid_map /proc/self/gid_map | tr -s ' ' | tr '\\n' ';'",
    says: "0 1000 10; 10 0 1; 0 1000 10; 10 0 1;",
    unless: ({ isOrdinary }) => (isOrdinary ? "the next rule's" : undefined),
  },
  {
    ...{ section: user, rule: "the maps of an ordinary user" },
    script: "cat /proc/self/uid_map | tr -s ' ' | tr '\\n' ';'",
    says: mapping.uid.map((m) => `${m.containerID} ${m.hostID} ${m.size};`).join(" "),
    unless: ({ isOrdinary }) => (isOrdinary ? undefined : "the rule before"),
  },
  {
    ...{ section: user, rule: "no owner of a file is changed" },
    config: (trial) => {
      writeFileSync(join(trial.shared, "f"), "");
      return { root: { path: trial.ownRoot() }, mounts: [trial.sharedMount] };
    },
    observe: async (trial) => {
      const census = `find ${trial.bundle}/rootfs ${trial.shared} | xargs stat -c '%u:%g' | sort | uniq -c`;
      const before = await trial.host(census);
      const { status, stderr } = await trial.run();
      if (status !== 0) return stderr;
      return String((await trial.host(census)) === before);
    },
    says: "true",
  },
];

const timeOffsets = { monotonic: { secs: 86_400, nanosecs: 0 }, boottime: { secs: 604_800 } };

const kernelRules: Rule[] = [
  {
    ...{ section: time, rule: "the offsets are the namespace's" },
    config: { linux: { namespaces: [...namespaces, { type: "time" }], timeOffsets } },
    script:
      "tr -s ' ' </proc/self/timens_offsets | tr '\\n' ';'; awk '{ print ($1 > 604800) }' /proc/uptime",
    says: "monotonic 86400 0;boottime 604800 0;1",
  },
  {
    ...{ section: time, rule: "an unknown clock is refused" },
    config: {
      linux: {
        namespaces: [...namespaces, { type: "time" }],
        timeOffsets: { realtime: { secs: 1 } },
      },
    },
    refused: true,
  },
  {
    ...{ section: sysctl, rule: "a parameter of the network namespace" },
    config: { linux: { sysctl: { "net.ipv4.ip_forward": "1" } } },
    script: "cat /proc/sys/net/ipv4/ip_forward",
    says: "1",
  },
  {
    ...{ section: sysctl, rule: "a parameter of the ipc namespace" },
    config: { linux: { sysctl: { "kernel.shmmni": "77", "fs.mqueue.msg_max": "9" } } },
    script: "cat /proc/sys/kernel/shmmni /proc/sys/fs/mqueue/msg_max",
    says: "77\n9",
  },
  {
    ...{ section: sysctl, rule: "a parameter that does not exist is refused" },
    config: { linux: { sysctl: { "net.ipv4.nosuch": "1" } } },
    refused: true,
  },
  {
    ...{ section: sysctl, rule: "a value that the kernel does not take is refused" },
    config: { linux: { sysctl: { "net.ipv4.ip_forward": "many" } } },
    refused: true,
  },
  {
    ...{ section: sysctl, rule: "a parameter of the host's is refused" },
    config: { linux: { sysctl: { "kernel.core_pattern": "|/bin/evil" } } },
    refused: true,
  },
  {
    ...{ section: personality, rule: "LINUX32 shows in uname" },
    config: { linux: { personality: { domain: "LINUX32" } } },
    script: "uname -m",
    says: /^(i686|armv8l)$/,
  },
  {
    ...{ section: personality, rule: "LINUX changes nothing" },
    config: { linux: { personality: { domain: "LINUX" } } },
    script: "uname -m",
    says: /^(x86_64|aarch64)$/,
  },
  {
    ...{ section: "config-linux.md#intelrdt", rule: "without a resctrl file system it is refused" },
    config: { linux: { intelRdt: { closID: "guaranteed", l3CacheSchema: "L3:0=7f0" } } },
    refused: true,
    needs: () => (existsSync("/sys/fs/resctrl/tasks") ? "this host has resctrl" : undefined),
  },
  {
    ...{
      section: "config-linux.md#mount-label",
      rule: "without SELinux it is refused or has no effect",
    },
    config: { linux: { mountLabel: "system_u:object_r:svirt_sandbox_file_t:s0:c715,c811" } },
    observe: async (trial) => ((await trial.run()).status === 0 ? "no effect" : "refused"),
    says: /^(no effect|refused)$/,
    needs: () => (existsSync("/sys/fs/selinux") ? "this host has SELinux" : undefined),
  },
];

export const namespaceRules: Rule[] = [...namespaceRulesProper, ...userRules, ...kernelRules];
