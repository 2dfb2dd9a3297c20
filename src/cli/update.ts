/** `tspod update`. */
import { getContainer } from "../container/index.ts";
import { updateLimits } from "../container/update.ts";
import type { RestartRule } from "../helper/index.ts";
import { TspodError } from "../errors.ts";
import type { HealthChange } from "../spec/index.ts";
import { defineCommand } from "./command.ts";
import { forEachArgument } from "./each.ts";
import { list, value } from "./flags.ts";
import { resolveEnvironment } from "./options/environment.ts";
import { type HealthFlags, healthFlags, restartPolicies } from "./options/life.ts";
import { limitFlags, limitOptions } from "./options/limits.ts";
import { latestFlag, selectContainers } from "./options/selection.ts";

const {
  cgroupParent: _parent,
  cgroups: _cgroups,
  deviceCgroupRule: _rule,
  oomKillDisable: _disable,
  oomScoreAdj: _score,
  ...limits
} = limitFlags;

/** What can only be decided when it is created. */
const settled = {
  ...{ cgroupParent: null, cgroups: null, deviceCgroupRule: [] },
  ...{ oomKillDisable: false, oomScoreAdj: null },
};

/** Of podman's and docker's update. */
const refused = {
  "--kernel-memory": "the kernel no longer has such a limit (cgroup v2)",
  "--ulimit": "it has that from its beginning: create it again with the other value",
};

export default defineCommand({
  path: ["update"],
  usage: "CONTAINER [CONTAINER...]",
  summary: "Give containers other limits, at once and for every start from now on",
  examples: [
    ["Half a gigabyte and one processor", "tspod update -m 512m --cpus 1 web"],
    ["Asked more often how it is", "tspod update --health-interval 10s --health-retries 5 web"],
    ["Another variable for its next start", "tspod update -e MODE=debug web"],
  ],
  flags: {
    ...limits,
    restart: value(
      "--restart",
      "POLICY",
      "no, on-failure[:NUMBER], always or unless-stopped",
      restartPolicies,
    ),
    env: list(
      "-e,--env",
      "KEY[=VALUE]",
      "Set a variable for its next start, and for exec from now on",
    ),
    unsetenv: list("--unsetenv", "NAME", "Without this variable from its next start on"),
    ...healthFlags,
    latest: latestFlag,
  },
  args: { min: 0, max: Infinity, completes: "container" },
  refused,
  async run(context, flags, args) {
    const asked = (await limitOptions({ ...flags, ...settled }, { isPartial: true })).limits;
    const rule = flags.restart === null ? null : await restartRule(flags.restart);
    const check = await healthChange(flags);
    const set = resolveEnvironment([], flags.env, context.environment);
    const changesEnvironment = set.length > 0 || flags.unsetenv.length > 0;
    if (asked === undefined && rule === null && check === null && !changesEnvironment) {
      const what = "a limit, a restart policy, a health check or a variable";
      throw new TspodError("usage", `"tspod update" needs ${what} to set`, {
        next: "such as -m 512m, --cpus 1.5 or --pids-limit 100; see tspod update --help",
      });
    }
    for (const sentence of asked?.ignored ?? []) context.warn(sentence);
    const names = await selectContainers(context, {
      ...{ args, latest: flags.latest, command: "tspod update" },
    });
    return forEachArgument(context, names, async (name) => {
      const container = getContainer(context, name);
      if (asked !== undefined) await updateLimits(context, container, asked);
      if (rule !== null) {
        const { updateRestart } = await import("../container/update-restart.ts");
        await updateRestart(context, container, rule);
      }
      if (check !== null) {
        const { updateHealth } = await import("../container/update-health.ts");
        await updateHealth(context, container, check);
      }
      if (changesEnvironment) {
        const { updateEnvironment } = await import("../container/update-environment.ts");
        updateEnvironment(context, container, { set, unset: flags.unsetenv });
      }
      return name;
    });
  },
});

/** Throws usage. */
async function restartRule(text: string): Promise<RestartRule> {
  return (await import("./options/life-values.ts")).parseRestart(text);
}

/** Null: no flag was given. Throws usage. */
async function healthChange(flags: HealthFlags): Promise<HealthChange | null> {
  return (await import("./options/life-values.ts")).parseHealthChange(flags);
}
