/** features.md and features-linux.md: what the document claims is true. */
import type { Rule } from "../rule.ts";
import type { Trial } from "../trial.ts";

const section = "features.md";

interface Features {
  ociVersionMin: string;
  ociVersionMax: string;
  hooks?: string[];
  mountOptions?: string[];
  linux?: {
    namespaces?: string[];
    capabilities?: string[];
    seccomp?: { actions?: string[]; operators?: string[]; archs?: string[]; knownFlags?: string[] };
    [key: string]: unknown;
  };
  annotations?: Record<string, string>;
  [key: string]: unknown;
}

async function features(trial: Trial): Promise<Features> {
  const { status, stdout, stderr } = await trial.call("features");
  if (status !== 0) throw new Error(stderr.trim());
  return JSON.parse(stdout) as Features; // what the specification says it is
}

/** Runs with a change of config.json for which the document vouches. */
async function accepts(
  trial: Trial,
  change: (config: ReturnType<Trial["read"]>) => void,
): Promise<string> {
  const config = trial.read();
  change(config);
  trial.write(config);
  const { status, stderr } = await trial.run();
  return status === 0 ? "taken" : stderr.trim();
}

const known = ["ociVersionMin", "ociVersionMax", "hooks", "mountOptions", "linux", "annotations"];

/** They need values of their own, or are no options of a new tmpfs. */
const notAlone =
  /^r?(bind|idmap)$|^remount$|^copy-symlink$|^src-nofollow$|^dest-nofollow$|^in-place$/;

const all: Rule[] = [
  ...(["ociVersionMin", "ociVersionMax"] as const).map((field): Rule => ({
    ...{ section: `${section}#specification-version`, rule: `${field} is taken as ociVersion` },
    observe: async (trial) => {
      const version = (await features(trial))[field];
      return await accepts(trial, (config) => (config.ociVersion = version));
    },
    says: "taken",
  })),
  {
    ...{
      section: `${section}#specification-version`,
      rule: "ociVersionMax is not less than ociVersionMin",
    },
    observe: async (trial) => {
      const { ociVersionMin, ociVersionMax } = await features(trial);
      return String(Bun.semver.order(ociVersionMin, ociVersionMax));
    },
    says: "-1",
  },
  {
    ...{ section: `${section}#specification-version`, rule: "no property is unknown" },
    observe: async (trial) =>
      Object.keys(await features(trial))
        .filter((key) => !known.includes(key) && key !== "potentiallyUnsafeConfigAnnotations")
        .join(),
    says: "",
  },
  {
    ...{ section: `${section}#hooks`, rule: "all six kinds" },
    observe: async (trial) => ((await features(trial)).hooks ?? []).toSorted().join(" "),
    says: "createContainer createRuntime poststart poststop prestart startContainer",
  },
  {
    ...{ section: `${section}#mount-options`, rule: "each is taken" },
    observe: async (trial) => {
      const words = ((await features(trial)).mountOptions ?? []).filter((w) => !notAlone.test(w));
      return await accepts(trial, ({ mounts }) => {
        for (const word of words) {
          mounts.push({ destination: "/tmp", type: "tmpfs", source: "tmpfs", options: [word] });
        }
      });
    },
    says: "taken",
  },
  {
    ...{ section: "features-linux.md#namespaces", rule: "each is taken" },
    observe: async (trial) => {
      const types = (await features(trial)).linux?.namespaces ?? [];
      return await accepts(trial, ({ linux }) => {
        const have = linux.namespaces as { type: string }[];
        const more = types.filter((type) => !have.some((one) => one.type === type));
        linux.namespaces = [...have, ...more.filter((t) => t !== "user").map((type) => ({ type }))];
      });
    },
    says: "taken",
  },
  {
    ...{ section: "features-linux.md#capabilities", rule: "each is taken" },
    observe: async (trial) => {
      const all = (await features(trial)).linux?.capabilities ?? [];
      const { stderr } = await trial.call("features");
      if (all.length < 38) return `only ${all.length} ${stderr}`;
      return await accepts(trial, ({ process }) => (process.capabilities = { bounding: all }));
    },
    says: "taken",
  },
  ...(["actions", "operators", "archs", "knownFlags"] as const).map((list): Rule => ({
    ...{ section: "features-linux.md#seccomp", rule: `each of ${list} is taken` },
    observe: async (trial) => {
      const { seccomp } = (await features(trial)).linux ?? {};
      const words = (seccomp?.[list] ?? []).filter((word) => word !== "SCMP_ACT_NOTIFY");
      if (words.length === 0) return "none";
      const call = { names: ["swapoff"], action: "SCMP_ACT_ERRNO" };
      const calls = (names: string[]) =>
        list === "actions"
          ? names.map((action, i) => ({ names: [i % 2 ? "swapon" : "swapoff"], action }))
          : list === "operators"
            ? names.map((op) => ({ ...call, args: [{ index: 0, value: 1, valueTwo: 1, op }] }))
            : [call];
      return await accepts(trial, ({ linux }) => {
        linux.seccomp = {
          defaultAction: "SCMP_ACT_ALLOW",
          ...(list === "archs" ? { architectures: words } : {}),
          ...(list === "knownFlags" ? { flags: words.filter((w) => !w.includes("TSYNC")) } : {}),
          syscalls: calls(words),
        };
      });
    },
    says: "taken",
  })),
];

export const featureRules: Rule[] = all.map((rule) => ({
  ...rule,
  unless: ({ runtime }) => (runtime === "crun" ? "1.8.1 has no such document" : undefined),
}));
