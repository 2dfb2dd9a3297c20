/** The values of --restart, --timeout, --health-* and --sdnotify, as docker and podman read them. */
import { TspodError } from "../../errors.ts";
import type { RestartRule } from "../../helper/index.ts";
import { parseDuration } from "../../lib/duration.ts";
import type { HealthChange, HealthOptions, LifeOptions, StartupOptions } from "../../spec/index.ts";
import { parseLog } from "./log-values.ts";
import {
  healthActions,
  type HealthFlags,
  type LifeFlags,
  notifyModes,
  restartPolicies,
} from "./life.ts";

/** Throws usage: a value that is none, or flags that contradict one another. */
export function parseLife(flags: LifeFlags & { rm: boolean; tty: boolean }): LifeOptions {
  const log = parseLog(flags);
  const restart = parseRestart(flags.restart ?? "no");
  if (flags.rm && (restart.policy === "always" || restart.policy === "unless-stopped")) {
    throw new TspodError("usage", `Cannot combine --rm with --restart=${restart.policy}`, {
      next: "leave one of them away: what is removed cannot be started again",
    });
  }
  return {
    restart,
    lifetimeMs: flags.timeout === null ? 0 : parseWholeNumber("--timeout", flags.timeout) * 1000,
    health: parseHealth(flags),
    ...(log === null ? {} : { log }),
    sdnotify: oneOf("--sdnotify", flags.sdnotify ?? "ignore", notifyModes),
  };
}

/** "on-failure:3". Throws usage. */
export function parseRestart(text: string): RestartRule {
  const [name = "", count, ...more] = text.split(":");
  const policy = oneOf("--restart", name === "" ? "no" : name, restartPolicies);
  if (count === undefined) return { policy, retriesMax: 0 };
  if (policy === "on-failure" && more.length === 0 && /^\d{1,9}$/.test(count)) {
    return { policy, retriesMax: Number(count) };
  }
  throw new TspodError("usage", `Invalid --restart "${text}"`, {
    next: "only on-failure takes a number of retries, as in on-failure:3",
  });
}

function parseHealth(flags: HealthFlags): HealthOptions | null {
  const asked = parseHealthChange(flags);
  if (asked?.startup?.test === null) {
    throw new TspodError("usage", "--health-startup-* flags need --health-startup-cmd", {
      next: "give the command that tells whether it has started",
    });
  }
  return asked === null ? null : { ...asked, onFailure: asked.onFailure ?? "none" };
}

/** Null: no flag was given. Throws usage. */
export function parseHealthChange(flags: HealthFlags): HealthChange | null {
  const { healthCmd, noHealthcheck, healthLogDestination, healthOnFailure } = flags;
  const isAsked = Object.entries(flags).some(
    ([key, value]) => key.startsWith("health") && value !== null,
  );
  if (noHealthcheck && isAsked) {
    throw new TspodError("usage", "Cannot combine --no-healthcheck with --health-* flags", {
      next: "leave one of them away",
    });
  }
  if (!isAsked && !noHealthcheck) return null;
  requireLocal(healthLogDestination ?? "local");
  const number = (flag: string, text: string | null): number | null =>
    text === null ? null : parseWholeNumber(flag, text);
  const test = healthCmd === null ? null : parseHealthCommand("--health-cmd", healthCmd);
  const startup = parseStartup(flags);
  return {
    test: noHealthcheck ? ["NONE"] : test,
    intervalMs: parsePause("--health-interval", flags.healthInterval),
    timeoutMs: parseSpan("--health-timeout", flags.healthTimeout),
    startPeriodMs: parseSpan("--health-start-period", flags.healthStartPeriod),
    startIntervalMs: parseSpan("--health-start-interval", flags.healthStartInterval),
    retries: parseRetries(flags.healthRetries),
    onFailure:
      healthOnFailure === null
        ? null
        : oneOf("--health-on-failure", healthOnFailure, healthActions),
    logCountMax: number("--health-max-log-count", flags.healthMaxLogCount),
    logBytesMax: number("--health-max-log-size", flags.healthMaxLogSize),
    ...(startup === null ? {} : { startup }),
  };
}

/** Podman's other places are a directory and the log of events. */
function requireLocal(destination: string): void {
  if (destination === "local") return;
  throw new TspodError("usage", `Invalid --health-log-destination "${destination}"`, {
    next: "use local: tspod inspect shows what the checks said, tspod events when they were asked",
  });
}

/** Null: no flag was given. */
function parseStartup(flags: HealthFlags): StartupOptions | null {
  const { healthStartupCmd: command, healthStartupInterval, healthStartupTimeout } = flags;
  const { healthStartupRetries: retries, healthStartupSuccess: successes } = flags;
  const given = [command, healthStartupInterval, healthStartupTimeout, retries, successes];
  if (given.every((text) => text === null)) return null;
  return {
    test: command === null ? null : parseHealthCommand("--health-startup-cmd", command),
    intervalMs: parsePause("--health-startup-interval", healthStartupInterval),
    timeoutMs: parseSpan("--health-startup-timeout", healthStartupTimeout),
    retries: retries === null ? null : parseWholeNumber("--health-startup-retries", retries),
    successes: successes === null ? null : parseWholeNumber("--health-startup-success", successes),
  };
}

const parsePause = (flag: string, text: string | null): number | null =>
  text === "disable" ? 0 : parseSpan(flag, text);

/** A line for the shell, a JSON array of words (perhaps with docker's CMD or CMD-SHELL before them), or "none". */
function parseHealthCommand(flag: string, text: string): string[] {
  if (text === "none") return ["NONE"];
  if (text.trim() === "") {
    throw new TspodError("usage", `${flag} is empty`, {
      next: 'give a command, or "none" to turn the check off',
    });
  }
  if (!text.startsWith("[")) return ["CMD-SHELL", text];
  const words = parseWords(text);
  if (words === null) return ["CMD-SHELL", text]; // the shell has a command called [
  const [first = ""] = words;
  return ["CMD", "CMD-SHELL", "NONE"].includes(first) ? words : ["CMD", ...words];
}

function parseWords(text: string): string[] | null {
  try {
    const words: unknown = JSON.parse(text);
    const isList = Array.isArray(words) && words.every((word) => typeof word === "string");
    return isList && words.length > 0 ? words : null;
  } catch {
    return null; // no JSON: words for a shell
  }
}

function parseSpan(flag: string, text: string | null): number | null {
  if (text === null) return null;
  const ms = parseDuration(text, flag);
  if (ms >= 1 || ms === 0) return Math.round(ms);
  throw new TspodError("usage", `Invalid ${flag} "${text}"`, {
    next: "give a time of at least 1ms, such as 10s or 1m30s",
  });
}

function parseRetries(text: string | null): number | null {
  if (text === null) return null;
  const retries = parseWholeNumber("--health-retries", text);
  if (retries > 0) return retries;
  throw new TspodError("usage", 'Invalid --health-retries "0"', { next: "give 1 or more" });
}

function parseWholeNumber(flag: string, text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new TspodError("usage", `Invalid ${flag} "${text}"`, { next: "give a whole number" });
}

function oneOf<T extends string>(flag: string, text: string, allowed: readonly T[]): T {
  const found = allowed.find((word) => word === text);
  if (found !== undefined) return found;
  throw new TspodError("usage", `Invalid ${flag} "${text}"`, {
    next: `use one of: ${allowed.join(", ")}`,
  });
}
