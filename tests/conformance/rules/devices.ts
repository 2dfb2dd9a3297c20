/** config-linux.md#devices and the default devices. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { receiveDescriptor } from "../receive.ts";
import type { Rule } from "../rule.ts";

const section = "config-linux.md#devices";
const defaults = "config-linux.md#default-devices";

/** Name, numbers and mode as Documentation/admin-guide/devices.txt has them. */
const standard: [string, string][] = [
  ["null", "1,3"],
  ["zero", "1,5"],
  ["full", "1,7"],
  ["random", "1,8"],
  ["urandom", "1,9"],
  ["tty", "5,0"],
];

const fuse = { type: "c", major: 10, minor: 229 };

export const deviceRules: Rule[] = [
  ...standard.map(([name, numbers]): Rule => ({
    ...{ section: defaults, rule: `/dev/${name}` },
    script: `stat -c '%F %t,%T %a' /dev/${name}`,
    says: `character special file ${numbers} 666`,
  })),
  {
    ...{ section: defaults, rule: "they work" },
    script:
      "echo x >/dev/null && head -c 3 /dev/zero | od -An -tx1 && head -c 4 /dev/urandom | wc -c; " +
      "{ echo x >/dev/full; } 2>&1 | sed 's/.*: //'",
    says: "00 00 00\n4\nNo space left on device",
  },
  {
    ...{ section: defaults, rule: "/dev/ptmx is the container's own multiplexer" },
    script:
      "stat -L -c '%t,%T' /dev/ptmx; test $(stat -L -c %d /dev/ptmx) = $(stat -c %d /dev/pts) && echo same",
    says: "5,2\nsame",
  },
  {
    ...{ section: defaults, rule: "/dev/console is the terminal when there is one" },
    config: { process: { terminal: true } },
    script: "stat -c '%t' /dev/console; grep -c ' /dev/console devpts' /proc/mounts",
    observe: async (trial) => {
      const path = `${trial.shared}/s`;
      const receiver = await receiveDescriptor(path);
      await trial.create("--console-socket", path);
      await trial.start();
      return (await receiver.written).replaceAll("\r", "").trim();
    },
    says: "88\n1",
  },
  {
    ...{ section: defaults, rule: "/dev/console is none without a terminal" },
    script: "test -e /dev/console || echo none",
    says: "none",
  },
  {
    ...{ section, rule: "a device that is listed is there" },
    config: { linux: { devices: [{ path: "/dev/fuse", ...fuse }] } },
    script: "stat -c '%F %t,%T' /dev/fuse",
    says: "character special file a,e5",
  },
  {
    ...{ section, rule: "its path may lie outside of /dev" },
    config: (trial) => ({
      root: { path: trial.ownRoot() },
      linux: { devices: [{ path: "/some/where/null", type: "c", major: 1, minor: 3 }] },
    }),
    script: "stat -c '%F %t,%T' /some/where/null",
    says: "character special file 1,3",
  },
  {
    ...{ section, rule: "its numbers count, not its name" },
    config: { linux: { devices: [{ path: "/dev/nothing", type: "c", major: 1, minor: 3 }] } },
    script: "stat -c '%F %t,%T' /dev/nothing",
    says: "character special file 1,3",
  },
  {
    ...{ section, rule: "a file that is there and does not match is an error" },
    config: (trial) => {
      writeFileSync(join(trial.ownRoot(), "home/null"), "a file");
      return {
        root: { path: trial.ownRoot() },
        linux: { devices: [{ path: "/home/null", type: "c", major: 1, minor: 3 }] },
      };
    },
    refused: true,
  },
  {
    ...{ section, rule: "a device that the host has not is refused" },
    config: { linux: { devices: [{ path: "/dev/nosuch", type: "c", major: 9999, minor: 77 }] } },
    refused: true,
  },
  {
    ...{ section, rule: "an unknown type is refused" },
    config: { linux: { devices: [{ path: "/dev/odd", type: "x", major: 1, minor: 3 }] } },
    refused: true,
  },
];
