/** `tspod update`. */
import { getContainer } from "../container/index.ts";
import { updateLimits } from "../container/update.ts";
import type { RestartRule } from "../helper/index.ts";
import { TspodError } from "../errors.ts";
import { defineCommand } from "./command.ts";
import { forEachArgument } from "./each.ts";
import { list, value } from "./flags.ts";
import { resolveEnvironment } from "./options/environment.ts";
import { restartPolicies } from "./options/life.ts";
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

const fromItsBeginning = "it has that from its beginning: create it again with the other value";

/** Of podman's and docker's update. */
const refused = Object.fromEntries(
  `--health-cmd --health-interval --health-log-destination --health-max-log-count --health-max-log-size
   --health-on-failure --health-retries --health-start-interval --health-start-period --health-startup-cmd
   --health-startup-interval --health-startup-retries --health-startup-success --health-startup-timeout
   --health-timeout --no-healthcheck --ulimit`
    .split(/\s+/)
    .map((name) => [name, fromItsBeginning] as const),
);

export default defineCommand({
  path: ["update"],
  usage: "CONTAINER [CONTAINER...]",
  summary: "Give containers other limits, at once and for every start from now on",
  examples: [
    ["Half a gigabyte and one processor", "tspod update -m 512m --cpus 1 web"],
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
    latest: latestFlag,
  },
  args: { min: 0, max: Infinity, completes: "container" },
  refused: { ...refused, "--kernel-memory": "the kernel no longer has such a limit (cgroup v2)" },
  async run(context, flags, args) {
    const asked = (await limitOptions({ ...flags, ...settled }, { isPartial: true })).limits;
    const rule = flags.restart === null ? null : await restartRule(flags.restart);
    const set = resolveEnvironment([], flags.env, context.environment);
    const changesEnvironment = set.length > 0 || flags.unsetenv.length > 0;
    if (asked === undefined && rule === null && !changesEnvironment) {
      const what = "a limit, a restart policy or a variable";
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
