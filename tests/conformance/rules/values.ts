/** config.md: version, annotations, what is unknown, and what is wrong. */
import type { Rule } from "../rule.ts";

const version = "config.md#specification-version";
const extensibility = "config.md#extensibility";
const valid = "config.md#valid-values";
const annotations = "config.md#annotations";

const runs = { script: "echo runs", says: "runs" } as const;

/** A config.json that no runtime can take: the value is of a wrong kind, or means nothing. */
const wrong: [string, Record<string, unknown>][] = [
  ["process.args is no list", { process: { args: "sh" } }],
  ["process.env is no list", { process: { env: "PATH=/bin" } }],
  ["process.cwd is no string", { process: { cwd: 7 } }],
  ["process.terminal is no boolean", { process: { terminal: "yes" } }],
  ["process.user.uid is no number", { process: { user: { uid: "root", gid: 0 } } }],
  ["process.user.uid is negative", { process: { user: { uid: -1, gid: 0 } } }],
  ["process.rlimits is no list", { process: { rlimits: { type: "RLIMIT_NOFILE" } } }],
  ["process.oomScoreAdj is out of range", { process: { oomScoreAdj: 2000 } }],
  ["root.path is no string", { root: { path: 1 } }],
  ["root.readonly is no boolean", { root: { readonly: "true" } }],
  ["mounts is no list", { mounts: {} as never }],
  ["hostname is no string", { hostname: 5 }],
  ["linux.namespaces is no list", { linux: { namespaces: [7] } }],
  ["linux.uidMappings is no list", { linux: { uidMappings: "0" } }],
  ["linux.seccomp is no object", { linux: { seccomp: [] } }],
  ["linux.personality names no known domain", { linux: { personality: { domain: "WINDOWS" } } }],
  ["annotations has a number as a value", { annotations: { "com.example.n": 1 } }],
];

export const valueRules: Rule[] = [
  ...["1.0.0", "1.0.2"].map((ociVersion): Rule => ({
    ...{ section: version, rule: `ociVersion ${ociVersion} is taken` },
    config: { ociVersion },
    ...runs,
  })),
  ...["1.1.0", "1.2.0"].map((ociVersion): Rule => ({
    ...{ section: version, rule: `ociVersion ${ociVersion} is taken by who says so` },
    config: { ociVersion },
    ...runs,
    unless: ({ runtime }) => (runtime === "crun" ? "1.8.1 is of 1.0" : undefined),
  })),
  {
    ...{ section: version, rule: "a config.json without ociVersion is refused" },
    config: { ociVersion: undefined },
    refused: true,
  },
  {
    ...{ section: version, rule: "an ociVersion that is no SemVer is refused" },
    config: { ociVersion: "latest" },
    refused: true,
  },
  {
    ...{ section: version, rule: "another major version is refused" },
    config: { ociVersion: "9.0.0" },
    refused: true,
  },
  {
    ...{ section: annotations, rule: "unknown keys are ignored" },
    config: { annotations: { "org.opencontainers.nosuch": "x", "com.example.empty": "" } },
    ...runs,
  },
  {
    ...{ section: annotations, rule: "an empty key is refused" },
    config: { annotations: { "": "x" } },
    refused: true,
  },
  ...(
    [
      ["at the top", { unknownThing: { a: [1, null, true] } }],
      ["in process", { process: { unknownThing: { a: 1 } } }],
      ["in root", { root: { unknownThing: 1 } }],
      ["in linux", { linux: { unknownThing: ["x"] } }],
      [
        "in a mount",
        {
          mounts: [
            { destination: "/tmp", type: "tmpfs", source: "tmpfs", unknownThing: {} } as never,
          ],
        },
      ],
      ["in linux.resources", { linux: { resources: { unknownThing: {} } } }],
      ["in hooks", { hooks: { unknownThing: [] } }],
    ] as const
  ).map(([where, change]): Rule => ({
    ...{ section: extensibility, rule: `an unknown property ${where} is ignored` },
    config: { ...change } as never, // of unknown properties no type can know
    ...runs,
  })),
  {
    ...{ section: extensibility, rule: "windows, solaris, vm and zos are ignored" },
    config: {
      windows: { layerFolders: [] },
      solaris: { milestone: "x" },
      vm: { kernel: { path: "/vmlinuz" } },
      zos: {},
    },
    ...runs,
  },
  ...wrong.map(([rule, change]): Rule => ({
    ...{ section: valid, rule: `refused: ${rule}` },
    config: change,
    refused: true,
  })),
];
