/** config.md#mounts, and the options of config.md#linux-mount-options one by one. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Change } from "../config.ts";
import type { Rule } from "../rule.ts";
import type { Trial } from "../trial.ts";

const section = "config.md#mounts";
const options = "config.md#linux-mount-options";

/** Options, optional fields and the file system's own options of what is mounted on /shared, on top. */
const fields = (path = "/shared"): string =>
  `awk '$5 == "${path}" { o = $6; f = ""; for (i = 7; $i != "-"; i++) f = f " " $i; s = $NF } END { print o f " - " s }' /proc/self/mountinfo`;

const tmpfs = (destination: string, ...words: string[]) => ({
  ...{ destination, type: "tmpfs", source: "tmpfs", options: words },
});

function bind(trial: Trial, ...words: string[]): Change {
  return { mounts: [{ ...trial.sharedMount, options: words }] };
}

const mountRulesProper: Rule[] = [
  {
    ...{ section, rule: "entries are mounted in the listed order" },
    config: {
      mounts: [
        tmpfs("/tmp", "mode=755"),
        tmpfs("/tmp/below", "mode=711"),
        tmpfs("/tmp", "mode=700"),
      ],
    },
    script: "stat -c %a /tmp; ls /tmp; grep -c ' /tmp' /proc/mounts",
    says: "700\n3",
  },
  {
    ...{ section, rule: "a mount may lie on one of the same list" },
    config: { mounts: [tmpfs("/tmp", "mode=755"), tmpfs("/tmp/below", "mode=711")] },
    script: "stat -c %a /tmp/below",
    says: "711",
  },
  {
    ...{ section, rule: "a relative destination is relative to /" },
    config: { mounts: [tmpfs("tmp", "mode=711")] },
    script: "stat -c %a /tmp",
    says: "711",
  },
  {
    ...{ section, rule: "a mount without destination is refused" },
    config: { mounts: [{ destination: undefined as never, type: "tmpfs", source: "tmpfs" }] },
    refused: true,
  },
  {
    ...{ section, rule: "the source of a bind mount may be absolute" },
    config: (trial) => (writeFileSync(join(trial.shared, "f"), "there"), bind(trial, "bind")),
    script: "cat /shared/f",
    says: "there",
  },
  {
    ...{ section, rule: "the source of a bind mount may be relative to the bundle" },
    config: (trial) => {
      writeFileSync(join(trial.shared, "f"), "there");
      return { mounts: [{ destination: "/shared", source: "shared", options: ["bind"] }] };
    },
    script: "cat /shared/f",
    says: "there",
  },
  {
    ...{ section, rule: "a source that is not there is refused" },
    config: { mounts: [{ destination: "/shared", source: "/nowhere", options: ["bind"] }] },
    refused: true,
  },
  {
    ...{ section, rule: "a file can be bind-mounted" },
    config: (trial) => {
      writeFileSync(join(trial.shared, "f"), "file\n");
      const source = join(trial.shared, "f");
      return {
        root: { path: trial.ownRoot() },
        mounts: [{ destination: "/etc/new/name", source, options: ["bind"] }],
      };
    },
    script: "cat /etc/new/name; stat -c %F /etc/new/name",
    says: "file\nregular file",
  },
  ...["bind", "none", "tmpfs"].map((type): Rule => ({
    ...{ section, rule: `with bind the type "${type}" is a dummy` },
    config: (trial) => {
      writeFileSync(join(trial.shared, "f"), "there");
      return { mounts: [{ ...trial.sharedMount, type, options: ["bind"] }] };
    },
    script: "cat /shared/f",
    says: "there",
  })),
  {
    ...{ section, rule: "with bind the type may be left out" },
    config: (trial) => {
      writeFileSync(join(trial.shared, "f"), "there");
      const { type: _, ...mount } = trial.sharedMount;
      return { mounts: [mount] };
    },
    script: "cat /shared/f",
    says: "there",
  },
  {
    ...{ section, rule: "a file system that does not exist is refused" },
    config: { mounts: [{ destination: "/tmp", type: "nosuchfs", source: "none" }] },
    refused: true,
  },
  {
    ...{ section, rule: "the destination is found inside the container, whatever symlinks say" },
    config: (trial) => {
      mkdirSync(join(trial.shared, "outside"));
      return { root: { path: trial.ownRoot() }, mounts: [tmpfs("/link/below", "mode=711")] };
    },
    observe: async (trial) => {
      await trial.host(`ln -s ${"../".repeat(12)}tmp ${trial.ownRoot()}/link`);
      const { stdout } = await trial.run();
      return stdout.trim();
    },
    script: "stat -c %a /tmp/below",
    says: "711",
  },
];

/** Words of mount(8) and what mountinfo(5) shows of them. */
const flagRules: Rule[] = (
  [
    ["ro", /^ro,/],
    ["rw", /^rw,/],
    ["nosuid", /,nosuid/],
    ["nodev", /,nodev/],
    ["noexec", /,noexec/],
    ["noatime", /,noatime/],
    ["nodiratime", /,nodiratime/],
    ["relatime", /,relatime/],
    ["strictatime", /^rw(?!.*atime)/],
    ["nosymfollow", /,nosymfollow/],
  ] as [string, RegExp][]
).map(([word, says]) => ({
  ...{ section: options, rule: `${word} on a new file system` },
  config: { mounts: [tmpfs("/shared", word)] },
  script: fields(),
  says,
}));

const bindRules: Rule[] = (
  [
    ["ro", /^ro,/],
    ["nosuid", /,nosuid/],
    ["nodev", /,nodev/],
    ["noexec", /,noexec/],
  ] as [string, RegExp][]
).map(([word, says]) => ({
  ...{ section: options, rule: `${word} on a bind mount` },
  config: (trial) => bind(trial, "bind", word),
  script: fields(),
  says,
}));

/** The opposite comes later and wins, as with mount(8). */
const oppositeRules: Rule[] = (
  [
    ["nosuid", "suid"],
    ["nodev", "dev"],
    ["noexec", "exec"],
    ["noatime", "atime"],
    ["nodiratime", "diratime"],
    ["ro", "rw"],
    ["nosymfollow", "symfollow"],
  ] as const
).map(([word, opposite]) => ({
  ...{ section: options, rule: `${opposite} undoes ${word}` },
  config: { mounts: [tmpfs("/shared", word, opposite)] },
  script: `${fields()} | cut -d' ' -f1 | tr , '\\n' | grep -cx ${word}; true`,
  says: "0",
}));

/** Flags of the superblock. */
const superblockRules: Rule[] = ["sync", "dirsync", "lazytime"].map((word) => ({
  ...{ section: options, rule: `${word} reaches the file system` },
  config: { mounts: [tmpfs("/shared", word)] },
  script: `${fields()} | sed 's/.* - //'`,
  says: new RegExp(`(^|,)${word}(,|$)`),
}));

const accepted =
  "async defaults iversion loud noiversion nolazytime norelatime nostrictatime silent";
const acceptedRules: Rule[] = accepted.split(" ").map((word) => ({
  ...{ section: options, rule: `${word} is known` },
  config: { mounts: [tmpfs("/shared", "nosuid", word)] },
  script: `${fields()} | grep -c nosuid`,
  says: "1",
}));

const propagationRules: Rule[] = (
  [
    ["private", /^\S+ - /],
    ["rprivate", /^\S+ - /],
    ["shared", /^\S+ shared:\d+ - /],
    ["rshared", /^\S+ shared:\d+ - /],
    ["slave", /^\S+( master:\d+)? - /],
    ["rslave", /^\S+( master:\d+)? - /],
    ["unbindable", /^\S+ unbindable - /],
    ["runbindable", /^\S+ unbindable - /],
  ] as [string, RegExp][]
).map(([word, says]) => ({
  ...{ section: options, rule: `${word} is the mount's propagation` },
  config: (trial) => bind(trial, "bind", word),
  script: fields(),
  says,
}));

const recursiveRules: Rule[] = [
  {
    ...{ section: options, rule: "rbind takes the mounts below along" },
    config: { mounts: [{ destination: "/shared", source: "/dev", options: ["rbind"] }] },
    script: "grep -c ' /shared/' /proc/mounts | sed 's/[1-9][0-9]*/some/'",
    says: "some",
  },
  ...(
    [
      ["rro", "ro"],
      ["rnosuid", "nosuid"],
      ["rnodev", "nodev"],
      ["rnoexec", "noexec"],
    ] as const
  ).map(([word, shown]): Rule => ({
    ...{ section: options, rule: `${word} reaches the mounts below` },
    config: { mounts: [{ destination: "/shared", source: "/dev", options: ["rbind", word] }] },
    script: `awk '$2 ~ /^\\/shared/ { print $4 }' /proc/mounts | tr ',' '\\n' | sort | uniq -c | awk '$2 == "${shown}" { n = $1 } $2 == "rw" || $2 == "ro" { all += $1 } END { print (n == all && n > 1) }'`,
    says: "1",
  })),
  {
    ...{ section: options, rule: "ro of an rbind leaves the mounts below as they are" },
    config: { mounts: [{ destination: "/shared", source: "/dev", options: ["rbind", "ro"] }] },
    script: `awk '$2 ~ /^\\/shared/ { print substr($4, 1, 2) }' /proc/mounts | sort -u | tr '\\n' ' '`,
    says: "ro rw",
  },
];

const otherRules: Rule[] = [
  {
    ...{ section: options, rule: "unknown words go to the file system" },
    config: { mounts: [tmpfs("/shared", "size=128k", "mode=711")] },
    script: "stat -c %a /shared; grep ' /shared ' /proc/mounts | grep -o size=128k",
    says: "711\nsize=128k",
  },
  {
    ...{ section: options, rule: "words that the file system does not know either are refused" },
    config: { mounts: [tmpfs("/shared", "nosuchword")] },
    refused: true,
  },
  {
    ...{ section: options, rule: "tmpcopyup fills a tmpfs with what it hides" },
    config: { mounts: [tmpfs("/etc", "tmpcopyup")] },
    script: "head -n 1 /etc/passwd; grep -c ' /etc tmpfs' /proc/mounts",
    says: "root:x:0:0:root:/root:/bin/sh\n1",
  },
  {
    ...{ section: options, rule: "idmap without mappings and without a user namespace is refused" },
    config: (trial) => bind(trial, "bind", "idmap"),
    refused: true,
    unless: ({ isOrdinary }) => (isOrdinary ? "there is one" : undefined),
  },
  {
    ...{ section, rule: "uidMappings without gidMappings is refused" },
    config: (trial) => ({
      mounts: [
        {
          ...{ ...trial.sharedMount, options: ["bind", "idmap"] },
          uidMappings: [{ containerID: 0, hostID: 0, size: 1 }],
        },
      ],
    }),
    refused: true,
  },
];

export const mountRules: Rule[] = [
  ...mountRulesProper,
  ...flagRules,
  ...bindRules,
  ...oppositeRules,
  ...superblockRules,
  ...acceptedRules,
  ...propagationRules,
  ...recursiveRules,
  ...otherRules,
];
