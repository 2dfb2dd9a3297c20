/** config.md#root, the default file systems, and what of them is hidden or read-only. */
import type { Rule } from "../rule.ts";
import { sharedRoot } from "../trial.ts";

const root = "config.md#root";
const masked = "config-linux.md#masked-paths";
const readonly = "config-linux.md#readonly-paths";
const propagation = "config-linux.md#rootfs-mount-propagation";

/** The optional fields of "/" in mountinfo(5). */
const fieldsOfRoot =
  'awk \'$5 == "/" { for (i = 7; $i != "-"; i++) print $i }\' /proc/self/mountinfo';

export const fileSystemRules: Rule[] = [
  {
    ...{ section: root, rule: "path may be absolute" },
    config: () => ({ root: { path: sharedRoot() } }),
    script: "cat /etc/passwd | head -n 1",
    says: "root:x:0:0:root:/root:/bin/sh",
  },
  {
    ...{ section: root, rule: "path may be relative to the bundle" },
    config: (trial) => (trial.ownRoot(), { root: { path: "rootfs" } }),
    script: "cat /etc/passwd | head -n 1",
    says: "root:x:0:0:root:/root:/bin/sh",
  },
  {
    ...{ section: root, rule: "a path where nothing is is refused" },
    config: { root: { path: "/nowhere/rootfs" } },
    refused: true,
  },
  {
    ...{ section: root, rule: "a path that is no directory is refused" },
    config: { root: { path: "/etc/passwd" } },
    refused: true,
  },
  {
    ...{ section: root, rule: "a config.json without root is refused" },
    observe: async (trial) => {
      const { root: _, ...config } = trial.read();
      trial.write({ ...config, root: undefined } as never); // exactly what is wrong with it
      return (await trial.create()).status === 0 ? "accepted" : "refused";
    },
    says: "refused",
  },
  {
    ...{ section: root, rule: "readonly makes it read-only" },
    config: (trial) => ({ root: { path: trial.ownRoot(), readonly: true } }),
    script: "touch /new 2>&1; touch /etc/passwd 2>&1; true",
    says: "touch: /new: Read-only file system\ntouch: /etc/passwd: Read-only file system",
  },
  {
    ...{ section: root, rule: "it is writable by default" },
    config: (trial) => ({ root: { path: trial.ownRoot() } }),
    script: "echo here >/new; cat /new",
    says: "here",
  },
  {
    ...{ section: root, rule: "nothing of the runtime's file system is left" },
    script: "ls / | tr '\\n' ' '; grep -c pivot /proc/self/mountinfo; ls -d /proc/1/cwd/..",
    says: "bin dev etc home proc root shared sys tmp 0\n/proc/1/cwd/..",
  },
  ...[
    ["/proc", "proc"],
    ["/sys", "sysfs"],
    ["/dev/pts", "devpts"],
    ["/dev/shm", "tmpfs"],
  ].map(([path, type]): Rule => ({
    ...{ section: "config-linux.md#default-filesystems", rule: `${path} is ${type}` },
    script: `awk '$2 == "${path}" { print $3 }' /proc/mounts`,
    says: type ?? "",
  })),
  {
    ...{ section: masked, rule: "a file cannot be read" },
    config: { linux: { maskedPaths: ["/proc/version"] } },
    script: "cat /proc/version; echo end",
    says: "end",
  },
  {
    ...{ section: masked, rule: "a directory is empty" },
    config: { linux: { maskedPaths: ["/sys/kernel"] } },
    script: "ls /sys/kernel; echo end",
    says: "end",
  },
  {
    ...{ section: masked, rule: "a path that is not there is passed over" },
    config: { linux: { maskedPaths: ["/proc/nosuch", "/nowhere/at/all"] } },
    script: "echo runs",
    says: "runs",
  },
  {
    ...{ section: masked, rule: "a relative path is refused" },
    config: { linux: { maskedPaths: ["proc/version"] } },
    refused: true,
  },
  {
    ...{ section: readonly, rule: "a file cannot be written" },
    config: { linux: { readonlyPaths: ["/proc/sys/net/ipv4/ip_forward"] } },
    script: "{ echo 1 >/proc/sys/net/ipv4/ip_forward; } 2>&1 | sed 's/.*: //'",
    says: "Read-only file system",
  },
  {
    ...{ section: readonly, rule: "nothing below a directory can be written" },
    config: (trial) => ({
      root: { path: trial.ownRoot() },
      linux: { readonlyPaths: ["/etc"] },
    }),
    script: "touch /etc/passwd 2>&1; touch /etc/new 2>&1; touch /ok && echo ok",
    says: /^touch: .*Read-only file system\ntouch: .*Read-only file system\nok$/,
  },
  {
    ...{ section: readonly, rule: "a path that is not there is passed over" },
    config: { linux: { readonlyPaths: ["/proc/nosuch"] } },
    script: "echo runs",
    says: "runs",
  },
  {
    ...{ section: readonly, rule: "a relative path is refused" },
    config: { linux: { readonlyPaths: ["proc/sys"] } },
    refused: true,
  },
  {
    ...{ section: propagation, rule: "private" },
    config: { linux: { rootfsPropagation: "private" } },
    script: `${fieldsOfRoot}; echo end`,
    says: "end",
  },
  {
    ...{ section: propagation, rule: "slave" },
    config: { linux: { rootfsPropagation: "slave" } },
    script: `${fieldsOfRoot} | sed 's/:.*//'`,
    says: /^(master)?$/,
  },
  {
    ...{ section: propagation, rule: "shared" },
    config: { linux: { rootfsPropagation: "shared" } },
    script: `${fieldsOfRoot} | sed 's/:.*//'`,
    says: /^shared/,
  },
  {
    ...{ section: propagation, rule: "unbindable" },
    config: { linux: { rootfsPropagation: "unbindable" } },
    script: fieldsOfRoot,
    says: "unbindable",
  },
  {
    ...{ section: propagation, rule: "another word is refused" },
    config: { linux: { rootfsPropagation: "public" } },
    refused: true,
  },
];
