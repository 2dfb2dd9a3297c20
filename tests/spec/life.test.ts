/** What restart policies, health checks and time limits make of helper.json. */
import { describe, expect, test } from "bun:test";
import {
  changeHealth,
  defaultLife,
  healthCommand,
  healthExec,
  lifeSettings,
  noHealthOptions,
  startupCommand,
} from "../../src/spec/life.ts";
import type { HealthChange, HealthOptions, LifeOptions } from "../../src/spec/options.ts";
import { build } from "./build-fixture.ts";

const image = {
  test: ["CMD-SHELL", "curl -f localhost || exit 1"],
  ...{ intervalNs: 5e9, timeoutNs: 0, startPeriodNs: 2e9, startIntervalNs: 1e9, retries: 0 },
};
const asked = (health: Partial<HealthOptions>): LifeOptions => ({
  ...defaultLife,
  health: { ...noHealthOptions, ...health },
});

describe("lifeSettings()", () => {
  test("is empty for a container of which nothing is asked", () => {
    expect(lifeSettings(undefined, undefined)).toEqual({});
    expect(lifeSettings(defaultLife, { ...image, test: ["NONE"] })).toEqual({});
  });

  test("restart, lifetime and notification", () => {
    const restart = { policy: "on-failure", retriesMax: 3 } as const;
    expect(
      lifeSettings({ ...defaultLife, restart, lifetimeMs: 5000, sdnotify: "conmon" }, undefined),
    ).toEqual({ restart, lifetimeMs: 5000, notify: "started" });
  });

  test("the image's check counts where the flags say nothing; what it leaves open is docker's", () => {
    expect(lifeSettings(undefined, image).health).toEqual({
      ...{ intervalMs: 5000, timeoutMs: 30_000, startPeriodMs: 2000, startIntervalMs: 1000 },
      ...{ retries: 3, onFailure: "none", logCountMax: 5, logBytesMax: 500 },
    });
    expect(lifeSettings(asked({ intervalMs: 1000, retries: 7 }), image).health).toMatchObject({
      ...{ intervalMs: 1000, startPeriodMs: 2000, retries: 7 },
    });
  });
});

describe("a startup check", () => {
  const first = { intervalMs: 500, timeoutMs: null, retries: 4, successes: null };
  const life = asked({ startup: { ...first, test: ["CMD", "started"] } });

  test("is asked as is said, otherwise as podman does; never is it asked before nothing", () => {
    expect(startupCommand(life.health)).toEqual(["started"]);
    expect(lifeSettings(life, image).health?.startup).toEqual({
      ...{ intervalMs: 500, timeoutMs: 30_000, retries: 4, successes: 0 },
    });
    expect(() => lifeSettings(life, undefined)).toThrow("there is none");
  });

  test("changes by itself, and goes with its command or with the check", () => {
    const { health } = lifeSettings(life, image);
    const nothing = { ...noHealthOptions, onFailure: null };
    const change = (it: Partial<HealthChange>) =>
      changeHealth(life.health, health, { ...nothing, ...it });
    const all = { test: null, intervalMs: null, timeoutMs: null, retries: null, successes: null };
    const other = change({ retries: 9, startup: { ...all, successes: 3 } });
    expect(other.health).toEqual({
      ...health,
      ...{ retries: 9, startup: { ...health?.startup, successes: 3 } },
    } as never);
    expect(other.asked.startup).toEqual({ ...first, test: ["CMD", "started"], successes: 3 });
    expect(change({ retries: 9 }).health?.startup).toEqual(health?.startup as never);
    const none = change({ startup: { ...all, test: ["NONE"] } });
    expect([none.health?.startup, none.asked.startup]).toEqual([undefined, undefined]);
    expect(change({ test: ["NONE"] })).toMatchObject({ health: null });
  });
});

test.each([
  [undefined, undefined, null],
  [undefined, image, ["/bin/sh", "-c", "curl -f localhost || exit 1"]],
  [asked({ test: ["NONE"] }), image, null],
  [asked({ test: ["CMD", "true"] }), image, ["true"]],
  [asked({ test: ["CMD"] }), undefined, null],
])("healthCommand() %#", (life, from, command) => {
  expect(healthCommand(life, from)).toEqual(command);
});

test("healthExec() is the container's process with another command and no terminal", () => {
  const { config, helper } = build({ tty: true, user: "app" });
  expect(healthExec(["true"], config.process, helper)).toMatchObject({
    ...{ contract: 1, runtimeDir: "/r/c", containerDir: "/d/containers/c", user: "app" },
    process: { args: ["true"], terminal: false, cwd: config.process.cwd },
  });
});
