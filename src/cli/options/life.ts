/** --restart, --timeout, --health-*, --log-*, --sdnotify: the flags. Their values are read only when given. */
import { type LifeOptions, logDrivers } from "../../spec/index.ts";
import { boolean, type FlagValues, list, value } from "../flags.ts";

export const restartPolicies = ["no", "on-failure", "always", "unless-stopped"] as const;
export const healthActions = ["none", "kill", "restart", "stop"] as const;
export const notifyModes = ["container", "conmon", "healthy", "ignore"] as const;

/** Of `tspod update`, too. */
export const healthFlags = {
  healthCmd: value("--health-cmd", "COMMAND", 'Asks it how it is; "none" turns the image\'s off'),
  healthInterval: value("--health-interval", "DURATION", "Pause between two checks (30s)"),
  healthRetries: value("--health-retries", "NUMBER", "Failures in a row that mean unhealthy (3)"),
  healthTimeout: value("--health-timeout", "DURATION", "What takes longer has failed (30s)"),
  healthStartPeriod: value(
    "--health-start-period",
    "DURATION",
    "After a start: failures do not count yet (0s)",
  ),
  healthStartInterval: value(
    "--health-start-interval",
    "DURATION",
    "Pause between two checks in that time (5s)",
  ),
  healthStartupCmd: value(
    "--health-startup-cmd",
    "COMMAND",
    "Asks it first: until it has succeeded, --health-cmd does not",
  ),
  healthStartupInterval: value(
    "--health-startup-interval",
    "DURATION",
    "Pause between two of those (30s)",
  ),
  healthStartupRetries: value(
    "--health-startup-retries",
    "NUMBER",
    "Failures after which it is started again; 0: never",
  ),
  healthStartupSuccess: value(
    "--health-startup-success",
    "NUMBER",
    "Successes that mean it has started; 0: one",
  ),
  healthStartupTimeout: value(
    "--health-startup-timeout",
    "DURATION",
    "What takes longer has failed (30s)",
  ),
  healthOnFailure: value(
    "--health-on-failure",
    "ACTION",
    "What follows when it is unhealthy: none, kill, restart, stop",
    healthActions,
  ),
  healthLogDestination: value(
    "--health-log-destination",
    "PLACE",
    "Where results are kept: local, beside the container",
    ["local"],
  ),
  healthMaxLogCount: value("--health-max-log-count", "NUMBER", "Results that are kept (5); 0: all"),
  healthMaxLogSize: value("--health-max-log-size", "BYTES", "Of what a check says (500); 0: 4096"),
  noHealthcheck: boolean("--no-healthcheck", "Turn the image's health check off"),
} as const;

export const lifeFlags = {
  logDriver: value(
    "--log-driver",
    "DRIVER",
    "Where its output is kept: k8s-file, json-file, journald, none, passthrough",
    logDrivers,
  ),
  logOpt: list("--log-opt", "KEY=VALUE", "path, max-size, max-file or tag of the log"),
  restart: value(
    "--restart",
    "POLICY[:RETRIES]",
    "When it is started again: no, on-failure[:3], always, unless-stopped",
    restartPolicies,
  ),
  timeout: value("--timeout", "SECONDS", "Kill it when it still runs after that"),
  ...healthFlags,
  sdnotify: value(
    "--sdnotify",
    "MODE",
    "Who tells systemd that it is ready: container, conmon, healthy, ignore",
    notifyModes,
  ),
} as const;

export type LifeFlags = FlagValues<typeof lifeFlags>;
export type HealthFlags = FlagValues<typeof healthFlags>;

/** Empty when nothing was asked for. Throws usage. */
export async function lifeOptions(
  flags: LifeFlags & { rm: boolean; tty: boolean },
): Promise<{ life?: LifeOptions }> {
  const isAsked = Object.keys(lifeFlags).some((key) => {
    const given = flags[key as keyof LifeFlags]; // a key of the table
    return Array.isArray(given) ? given.length > 0 : given !== null && given !== false;
  });
  if (!isAsked) return {};
  const { parseLife } = await import("./life-values.ts");
  return { life: parseLife(flags) };
}
