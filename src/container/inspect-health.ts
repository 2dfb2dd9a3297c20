/** The part of `inspect` about a container's health and its restarts, in docker's words. */
import { readFileSync } from "node:fs";
import { describeFailure, type HealthConfig, type HealthRecord } from "../helper/index.ts";
import type { HelperSettings } from "../spec/index.ts";
import { containerDirectory, type ContainerState } from "../store/containers.ts";
import type { Paths } from "../store/paths.ts";

const nanosecondsPerMs = 1e6;

/** For State; empty where there is no check. */
export function inspectHealth(
  paths: Paths,
  id: string,
  state: ContainerState,
  health: HealthConfig | undefined,
): { Health?: HealthRecord } {
  if (health === undefined) return {};
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

/** For Config. */
export function inspectHealthcheck(
  health: HealthConfig | undefined,
  command: readonly string[] | undefined,
): { Healthcheck?: object } {
  if (health === undefined) return {};
  return {
    Healthcheck: {
      Test: ["CMD", ...(command ?? [])],
      Interval: health.intervalMs * nanosecondsPerMs,
      Timeout: health.timeoutMs * nanosecondsPerMs,
      StartPeriod: health.startPeriodMs * nanosecondsPerMs,
      StartInterval: health.startIntervalMs * nanosecondsPerMs,
      Retries: health.retries,
    },
  };
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
