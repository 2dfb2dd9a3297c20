/** What --restart, --timeout, --health-* and --sdnotify make of helper.json, and how a container is asked how it is. Pure. */
import {
  contractVersion,
  type ExecConfig,
  type HealthConfig,
  type HelperConfig,
  type StartupConfig,
} from "../helper/contract.ts";
import { wireProcess } from "../oci/config-json.ts";
import type { Healthcheck } from "../oci/image-config.ts";
import type { Mount, RuntimeSpec } from "../oci/runtime-spec.ts";
import { TspodError } from "../errors.ts";
import type {
  CreateOptions,
  HealthChange,
  HealthOptions,
  LifeOptions,
  StartupOptions,
} from "./options.ts";

export const defaultLife: LifeOptions = {
  ...{ restart: { policy: "no", retriesMax: 0 }, lifetimeMs: 0, health: null },
  sdnotify: "ignore",
};

export const noHealthOptions: HealthOptions = {
  ...{ test: null, intervalMs: null, timeoutMs: null, startPeriodMs: null, startIntervalMs: null },
  ...{ retries: null, onFailure: "none", logCountMax: null, logBytesMax: null },
};

const nanosecondsPerMs = 1e6;

/** Docker's. */
const usual = { intervalMs: 30_000, timeoutMs: 30_000, retries: 3, startIntervalMs: 5_000 };
/** Podman's. */
const logUsual = { logCountMax: 5, logBytesMax: 500 };

type LifeSettings = Pick<HelperConfig, "restart" | "lifetimeMs" | "health" | "notify">;

/** Empty for most. Throws usage: a startup check before no check. */
export function lifeSettings(
  life: LifeOptions = defaultLife,
  image: Healthcheck | undefined,
): LifeSettings {
  const { restart, lifetimeMs, sdnotify } = life;
  const asked = life.health ?? noHealthOptions;
  const isAsked = healthCommand(life, image) !== null;
  if (!isAsked && startupCommand(asked) !== null) {
    throw new TspodError(
      "usage",
      "--health-startup-cmd comes before a health check: there is none",
      {
        next: "give one with --health-cmd",
      },
    );
  }
  return {
    ...(restart.policy === "no" ? {} : { restart }),
    ...(lifetimeMs === 0 ? {} : { lifetimeMs }),
    ...(isAsked ? { health: healthConfig(asked, image) } : {}),
    ...(sdnotify === "ignore"
      ? {}
      : { notify: sdnotify === "conmon" ? ("started" as const) : sdnotify }),
  };
}

/** Where a container finds the socket on which its monitor listens, as it would a service manager's. */
const notifyPath = "/run/notify/notify.sock";

/** What a container needs to say itself that it is ready. */
export function notification(
  { life }: Pick<CreateOptions, "life">,
  { containerDir }: { containerDir: string },
): { environment: string[]; mounts: Mount[] } {
  if (life?.sdnotify !== "container") return { environment: [], mounts: [] };
  const source = `${containerDir}/notify.sock`; // zig/src/monitor/notify.zig makes it
  const options = ["bind", "rprivate", "nosuid", "nodev", "noexec"];
  return {
    environment: [`NOTIFY_SOCKET=${notifyPath}`],
    mounts: [{ destination: notifyPath, type: "bind", source, options }],
  };
}

/** Where its output goes. */
export function logTarget(
  { life, image }: Pick<CreateOptions, "life" | "image">,
  place: { id: string; name: string; containerDir: string },
): HelperConfig["log"] {
  const file = `${place.containerDir}/log`;
  if (life?.log === undefined) return { driver: "k8s-file", path: file };
  const { driver, path, maxBytes, maxFiles, tag } = life.log;
  if (driver === "none" || driver === "passthrough") return { driver };
  if (driver === "journald") return tag === null ? { driver } : { driver, tag: fill(tag) };
  return {
    ...{ driver, path: path ?? file },
    ...(maxBytes === null ? {} : { maxBytes }),
    ...(maxFiles === null ? {} : { maxFiles }),
  };

  function fill(template: string): string {
    const { id, name } = place;
    const fields: Record<string, string> = {
      ...{ ID: id.slice(0, shortIdLength), FullID: id, Name: name, ImageName: image },
    };
    return template.replace(tagField, (whole, field: string) => fields[field] ?? whole);
  }
}

const shortIdLength = 12;

/** What a tag may hold of a template. */
export const tagField = /\{\{\s*\.(ID|FullID|Name|ImageName)\s*\}\}/g;

/** Null: it is not asked. */
export function healthCommand(
  life: LifeOptions = defaultLife,
  image: Healthcheck | undefined,
): string[] | null {
  return wordsOf(life.health?.test ?? image?.test ?? []);
}

/** Null: there is no check before the check. */
export function startupCommand(health: HealthOptions | HealthChange | null): string[] | null {
  return wordsOf(health?.startup?.test ?? []);
}

function wordsOf([kind = "NONE", ...words]: readonly string[]): string[] | null {
  if (kind === "CMD-SHELL") return ["/bin/sh", "-c", words.join(" ")];
  return kind === "CMD" && words.length > 0 ? words : null;
}

function healthConfig(asked: HealthOptions, image: Healthcheck | undefined): HealthConfig {
  const fromImage = (ns: number | undefined): number | null =>
    ns === undefined || ns === 0 ? null : ns / nanosecondsPerMs;
  return {
    intervalMs: asked.intervalMs ?? fromImage(image?.intervalNs) ?? usual.intervalMs,
    timeoutMs: asked.timeoutMs ?? fromImage(image?.timeoutNs) ?? usual.timeoutMs,
    startPeriodMs: asked.startPeriodMs ?? fromImage(image?.startPeriodNs) ?? 0,
    startIntervalMs:
      asked.startIntervalMs ?? fromImage(image?.startIntervalNs) ?? usual.startIntervalMs,
    retries: asked.retries ?? (image?.retries === 0 ? null : image?.retries) ?? usual.retries,
    onFailure: asked.onFailure,
    logCountMax: asked.logCountMax ?? logUsual.logCountMax,
    logBytesMax: asked.logBytesMax ?? logUsual.logBytesMax,
    ...(startupCommand(asked) === null ? {} : { startup: startupConfig(asked.startup, undefined) }),
  };
}

function startupConfig(asked: StartupOptions | undefined, before: StartupConfig | undefined) {
  const { intervalMs, timeoutMs } = before ?? usual;
  return {
    intervalMs: asked?.intervalMs ?? intervalMs,
    timeoutMs: asked?.timeoutMs ?? timeoutMs,
    retries: asked?.retries ?? before?.retries ?? 0,
    successes: asked?.successes ?? before?.successes ?? 0,
  };
}

/** What was asked for, with `change` in its place, and what helper.json says then; null: it is not asked any more. */
export function changeHealth(
  asked: HealthOptions | null,
  current: HealthConfig | undefined,
  change: HealthChange,
): { asked: HealthOptions; health: HealthConfig | null } {
  const { test, startup, ...others } = change;
  const given = withoutNulls(others);
  const { startup: askedFirst, ...next } = { ...(asked ?? noHealthOptions), ...given };
  const { startup: first, ...before } = current ?? healthConfig(noHealthOptions, undefined);
  const isOff = test?.[0] === "NONE";
  const hasFirst = !isOff && startup?.test?.[0] !== "NONE" && (first ?? startup) !== undefined;
  const nextFirst = { ...noStartup, ...askedFirst, ...withoutNulls(startup ?? {}) };
  return {
    asked: { ...next, test: test ?? next.test, ...(hasFirst ? { startup: nextFirst } : {}) },
    health: isOff
      ? null
      : { ...before, ...given, ...(hasFirst ? { startup: startupConfig(startup, first) } : {}) },
  };
}

const noStartup: StartupOptions = {
  ...{ test: null, intervalMs: null, timeoutMs: null, retries: null, successes: null },
};

type WithoutNulls<T> = { [K in keyof T]?: NonNullable<T[K]> };

function withoutNulls<T extends object>(fields: T): WithoutNulls<T> {
  const given = Object.entries(fields).filter(([, value]) => value !== null);
  return Object.fromEntries(given) as WithoutNulls<T>; // of the same keys
}

/** A further process of the container's, as its first one but for the command. */
export function healthExec(
  command: string[],
  process: RuntimeSpec["process"],
  helper: Pick<HelperConfig, "runtimeDir" | "containerDir"> &
    Partial<
      Pick<HelperConfig, "user" | "groups" | "keepGroups" | "environmentFile" | "seccompCache">
    >,
): ExecConfig {
  const { runtimeDir, containerDir, user, groups, keepGroups } = helper;
  const { environmentFile, seccompCache } = helper;
  return {
    ...{ contract: contractVersion, runtimeDir, containerDir },
    process: { ...wireProcess(process), terminal: false, args: command },
    ...(user === undefined ? {} : { user }),
    ...(groups === undefined ? {} : { groups }),
    ...(keepGroups === undefined ? {} : { keepGroups }),
    ...(environmentFile === undefined ? {} : { environmentFile }),
    stdinOpen: false,
    ...(seccompCache === undefined ? {} : { seccompCache }),
  };
}
