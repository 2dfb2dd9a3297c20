/** The part of the contract about health checks: what is asked, and what is written down of the answers. */

/** What follows when a container is not well. */
export type HealthAction = "none" | "kill" | "restart" | "stop";

/** When the command of `health-exec.json` (an ExecConfig, in the container directory) is run, and what its answers mean. */
export interface HealthConfig {
  /** 0: only when somebody asks. */
  intervalMs: number;
  timeoutMs: number;
  /** After a start, while failures do not count yet. */
  startPeriodMs: number;
  /** How often in that time. */
  startIntervalMs: number;
  retries: number;
  onFailure: HealthAction;
  /** Results that are kept, and bytes of what each said; 0: all. */
  logCountMax: number;
  logBytesMax: number;
  startup?: StartupConfig;
}

/** The command of `startup-exec.json`, which is asked first: until it has succeeded, the check is not. */
export interface StartupConfig {
  /** 0: only when somebody asks. */
  intervalMs: number;
  timeoutMs: number;
  /** Failures after which the container is started again; 0: never. */
  retries: number;
  /** So often; 0: once. */
  successes: number;
}

export type HealthStatus = "starting" | "healthy" | "unhealthy";

/** `health.json` in the container directory, written by the check (`native health`) by rename. Docker's words. */
export interface HealthRecord {
  Status: HealthStatus;
  FailingStreak: number;
  Log: { Start: string; End: string; ExitCode: number; Output: string }[];
}
