/** Health checks: who asks, what answers mean, what follows, what is kept. */
import { describe, expect } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { cgroupDelegation } from "../support/delegated-cgroup.ts";
import type { Box } from "../support/boxes.ts";
import { registryPrograms, testWith } from "../support/requirements.ts";
import { sharedWorld } from "../support/shared-world.ts";
import { until } from "../support/wait.ts";

const test = testWith(...registryPrograms);
const pausable = testWith(...registryPrograms, cgroupDelegation);
const shared = sharedWorld({ images: ["tiny"] });
const ok = (...words: string[]) => shared.world.ok(...words);
const tspod = (...words: string[]) => shared.world.tspod(words);

async function box(...flags: string[]): Promise<Box> {
  const id = await ok("run", "-d", ...flags, "tiny", "sleep", "1000");
  return { id, [Symbol.asyncDispose]: async () => void (await tspod("rm", "-f", id)) };
}

const inspect = async (id: string) => JSON.parse(await ok("inspect", id))[0];
const health = async (id: string) => (await inspect(id)).State.Health;
const becomes = (id: string, status: string) =>
  until(`it is ${status}`, async () => {
    const now = await health(id);
    return now.Status === status && now;
  });

/** Nobody asks but we. */
const byHand = ["--health-interval=disable"];

describe("a health check", () => {
  test("starting, then healthy; ps, inspect and events say so", async () => {
    await using it = await box(
      "--health-cmd",
      "echo fine; echo why >&2",
      "--health-interval=100ms",
    );
    const { Log, FailingStreak } = await becomes(it.id, "healthy");
    expect(FailingStreak).toBe(0);
    expect(Log[0]).toMatchObject({ ExitCode: 0, Output: "fine\nwhy\n" });
    expect(Date.parse(Log[0].End)).toBeGreaterThanOrEqual(Date.parse(Log[0].Start));
    expect(await ok("ps", "--format", "{{.Status}}", "--filter", "health=healthy")).toMatch(
      /^Up .* \(healthy\)$/m,
    );
    const events = readFileSync(join(shared.world.root, "data/events.jsonl"), "utf8");
    expect(events).toMatch(new RegExp(`"status":"health_status","id":"${it.id}".*"healthy"`));
    const told = [
      "events",
      "--stream=false",
      "-f",
      `container=${it.id}`,
      "-f",
      "event=health_status",
    ];
    expect(await ok(...told, "--format", "{{.HealthStatus}}")).toContain("healthy");
    const five = await until("five are kept", async () => {
      const { Log: kept } = await health(it.id);
      return kept.length === 5 && kept[0].Start !== Log[0].Start && kept;
    });
    expect(five).toHaveLength(5);
  });

  test("failures in a row make it unhealthy, one success healthy again", async () => {
    await using it = await box("--health-cmd", "test -e /ok", "--health-retries=2", ...byHand);
    expect(await health(it.id)).toEqual({ Status: "starting", FailingStreak: 0, Log: [] });
    expect(await ok("ps", "--format", "{{.Status}}")).toContain("(health: starting)");
    const run = () => tspod("healthcheck", "run", it.id);
    expect(await run()).toMatchObject({ exitCode: 1, stdout: "unhealthy\n" });
    expect(await health(it.id)).toMatchObject({ Status: "starting", FailingStreak: 1 });
    await run();
    expect(await health(it.id)).toMatchObject({ Status: "unhealthy", FailingStreak: 2 });
    await ok("exec", it.id, "touch", "/ok");
    expect(await run()).toMatchObject({ exitCode: 0, stdout: "" });
    expect(await health(it.id)).toMatchObject({ Status: "healthy", FailingStreak: 0 });
  });

  test("in the start period failures do not count", async () => {
    await using it = await box(
      ...["--health-cmd=false", "--health-retries=1", "--health-start-period=1h", ...byHand],
    );
    expect((await tspod("healthcheck", "run", it.id)).exitCode).toBe(1);
    expect(await health(it.id)).toMatchObject({ Status: "starting", FailingStreak: 0 });
  });

  test("what takes too long is killed and has failed", async () => {
    await using it = await box("--health-cmd", "sleep 1000", "--health-timeout=50ms", ...byHand);
    expect((await tspod("healthcheck", "run", it.id)).exitCode).toBe(1);
    const { Log } = await health(it.id);
    expect(Log[0]).toMatchObject({ ExitCode: -1, Output: expect.stringContaining("timeout") });
    const processes = (await ok("exec", it.id, "ls", "/proc")).match(/^\d+$/gm);
    expect(processes).toHaveLength(2); // the program, and who asks
  });

  pausable("one that is paused is not asked, and is not unhealthy for it", async () => {
    await using it = await box("--health-cmd=true", "--health-retries=1", ...byHand);
    await ok("healthcheck", "run", it.id);
    await ok("pause", it.id);
    const { exitCode, stderr } = await tspod("healthcheck", "run", it.id);
    expect([exitCode, stderr]).toEqual([125, expect.stringContaining("could not be asked")]);
    await ok("unpause", it.id);
    expect(await health(it.id)).toMatchObject({ Status: "healthy", FailingStreak: 0 });
  });

  test("a command that is not there has failed, and says so", async () => {
    await using it = await box("--health-cmd", '["nothing-of-the-kind"]', ...byHand);
    expect((await tspod("healthcheck", "run", it.id)).exitCode).toBe(1);
    expect((await health(it.id)).Log[0].Output).toContain("nothing-of-the-kind");
  });

  test("what it says is kept up to a limit, whatever bytes it says", async () => {
    await using it = await box(
      ...["--health-cmd", "printf '\\377\\000'; yes | head -c 1000000", "--health-max-log-size=20"],
      ...byHand,
    );
    await ok("healthcheck", "run", it.id);
    const { Output } = (await health(it.id)).Log[0];
    expect(Output).toHaveLength(20);
    expect(Output).toStartWith("?\0y\n");
  });

  test.each(["kill", "stop", "restart"])("--health-on-failure=%s", async (action) => {
    await using it = await box(
      ...["--health-cmd=false", "--health-retries=1", `--health-on-failure=${action}`],
      ...[...byHand, "--stop-timeout=0"],
    );
    await tspod("healthcheck", "run", it.id);
    const state = await until("it has come to that", async () => {
      const all = await inspect(it.id);
      const isThere = action === "restart" ? all.RestartCount > 0 : !all.State.Running;
      return isThere && all;
    });
    expect(state.State.ExitCode).toBe(action === "restart" ? state.State.ExitCode : 137);
    if (action !== "restart") return;
    expect((await becomes(it.id, "starting")).Log).toEqual([]);
  });
});

describe("without one", () => {
  test("healthcheck run says so", async () => {
    await using it = await box("--no-healthcheck");
    const { exitCode, stderr } = await tspod("healthcheck", "run", it.id);
    expect(exitCode).toBe(125);
    expect(stderr).toContain("has no health check");
    await ok("kill", it.id);
    await ok("wait", it.id);
    expect((await tspod("healthcheck", "run", it.id)).stderr).toContain("is not running");
  });
});

test("--timeout kills what still runs", async () => {
  await using it = await box("--timeout", "1");
  expect(await ok("wait", it.id)).toBe("137");
});
