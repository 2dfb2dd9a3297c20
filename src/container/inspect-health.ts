/** The part of `inspect` about a container's health and its restarts, in docker's words. */
import { readFileSync } from "node:fs";
import { describeFailure, type HealthConfig, type HealthRecord } from "../helper/index.ts";
import type { HelperSettings } from "../spec/index.ts";
import { containerDirectory, type ContainerState } from "../store/containers.ts";
import type { Paths } from "../store/paths.ts";

const nanosecondsPerMs = 1e6;

/** For State; where there is no check it is nil, as docker has it, so that a template can ask whether there is one. */
export function inspectHealth(
  paths: Paths,
  id: string,
  state: ContainerState,
  health: HealthConfig | undefined,
): { Health: HealthRecord | undefined } {
  if (health === undefined) return { Health: undefined };
  const record = readRecord(`${containerDirectory(paths, id)}/health.json`);
  const status = state.status === "running" ? state.health : undefined;
  const { FailingStreak, Log } = record ?? { FailingStreak: 0, Log: [] };
  return { Health: { Status: status ?? record?.Status ?? "starting", FailingStreak, Log } };
}

function readRecord(path: string): HealthRecord | null {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as HealthRecord; // written by our check
  } catch {
    return null; // it has not been asked yet
  }
}

/** For Config; nil like that, and podman's names where docker has none. */
export function inspectHealthcheck(
  health: HealthConfig | undefined,
  commands: { usual: readonly string[] | undefined; first: readonly string[] | undefined },
) {
  if (health === undefined) {
    return {
      ...{ Healthcheck: undefined, StartupHealthCheck: undefined },
      HealthcheckOnFailureAction: "none",
    };
  }
  const { startup } = health;
  return {
    Healthcheck: {
      Test: inDockersForm(commands.usual ?? []),
      Interval: health.intervalMs * nanosecondsPerMs,
      Timeout: health.timeoutMs * nanosecondsPerMs,
      StartPeriod: health.startPeriodMs * nanosecondsPerMs,
      StartInterval: health.startIntervalMs * nanosecondsPerMs,
      Retries: health.retries,
    },
    StartupHealthCheck:
      startup === undefined
        ? undefined
        : {
            Test: inDockersForm(commands.first ?? []),
            Interval: startup.intervalMs * nanosecondsPerMs,
            Timeout: startup.timeoutMs * nanosecondsPerMs,
            Retries: startup.retries,
            Successes: startup.successes,
          },
    HealthcheckOnFailureAction: health.onFailure,
    HealthLogDestination: "local",
    HealthcheckMaxLogCount: health.logCountMax,
    HealthcheckMaxLogSize: health.logBytesMax,
  };
}

/** Words for the shell are kept as what runs it. */
function inDockersForm(command: readonly string[]): string[] {
  const [shell, flag, line, ...more] = command;
  const isLine = shell === "/bin/sh" && flag === "-c" && line !== undefined && more.length === 0;
  return isLine ? ["CMD-SHELL", line] : ["CMD", ...command];
}

/** For HostConfig. */
export function inspectRestart({ restart }: HelperSettings) {
  const { policy = "no", retriesMax = 0 } = restart ?? {};
  return { RestartPolicy: { Name: policy, MaximumRetryCount: retriesMax } };
}

/** For HostConfig.LogConfig: docker's names, and podman's where docker has none. */
export function inspectLog({ log }: HelperSettings) {
  const { maxBytes = null, maxFiles = null } = "maxBytes" in log ? log : {};
  return {
    Type: log.driver,
    Config: {
      ...(maxBytes === null ? {} : { "max-size": String(maxBytes) }),
      ...(maxFiles === null ? {} : { "max-file": String(maxFiles) }),
      ...("tag" in log && log.tag !== undefined ? { tag: log.tag } : {}),
    },
    Path: "path" in log ? log.path : "",
    Tag: "tag" in log ? (log.tag ?? "") : "",
    Size: "0B",
  };
}

/** Why it could not be started again; "" when nothing of the kind is known. */
export function inspectError(state: ContainerState): string {
  return state.status === "exited" && state.failure !== undefined
    ? describeFailure(state.failure).message
    : "";
}
