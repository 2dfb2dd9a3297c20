/** --health-startup-*: a check before the check. */
import { describe, expect } from "bun:test";
import { type Box, createBox, runBox } from "../support/boxes.ts";
import { registryPrograms, testWith } from "../support/requirements.ts";
import { sharedWorld } from "../support/shared-world.ts";
import { until } from "../support/wait.ts";

const test = testWith(...registryPrograms);
const shared = sharedWorld({ images: ["tiny"] });
const ok = (...words: string[]) => shared.world.ok(...words);
const tspod = (...words: string[]) => shared.world.tspod(words);
const box = (...flags: string[]): Promise<Box> => runBox(shared.world, "exec sleep 1000", ...flags);
const inspect = async (id: string) => JSON.parse(await ok("inspect", id))[0];
const health = async (id: string) => (await inspect(id)).State.Health;
const ask = (id: string) => tspod("healthcheck", "run", id);

/** Nobody asks but we. */
const byHand = ["--health-interval=disable", "--health-startup-interval=disable"];
const check = ["--health-cmd", "echo well", "--health-startup-cmd", "echo up; test -e /up"];
const second = 1e9;

describe("until the startup check has succeeded as often as asked", () => {
  test("the check is not asked, and nothing is unhealthy", async () => {
    await using it = await box(
      ...[...check, ...byHand, "--health-retries=1", "--health-startup-success=2"],
    );
    for (const _ of [1, 2, 3]) {
      expect(await ask(it.id)).toMatchObject({ exitCode: 1, stdout: "starting\n" });
    }
    expect(await health(it.id)).toMatchObject({ Status: "starting", FailingStreak: 0 });
    await ok("exec", it.id, "touch", "/up");
    for (const _ of [1, 2]) expect(await ask(it.id)).toMatchObject({ exitCode: 0, stdout: "" });
    const { Status, Log } = await health(it.id);
    expect([Status, Log.at(-1).Output]).toEqual(["starting", "up\n"]);
    await ok("exec", it.id, "rm", "/up");
    expect((await ask(it.id)).exitCode).toBe(0);
    expect(await health(it.id)).toMatchObject({ Status: "healthy" });
    expect((await health(it.id)).Log.at(-1).Output).toBe("well\n");
  });

  test("it is asked at once, and so is the check when it has: neither pause is waited for", async () => {
    await using it = await box(
      ...["--health-cmd", "echo well", "--health-interval=1h"],
      ...["--health-startup-cmd", "echo up", "--health-startup-interval=1h"],
    );
    const found = await until("it is healthy", async () => {
      const now = await health(it.id);
      return now.Status === "healthy" && now;
    });
    expect(found.Log.map(({ Output }: { Output: string }) => Output)).toEqual(["up\n", "well\n"]);
  });
});

test("when its retries are used up the container is started again, and is asked anew", async () => {
  await using it = await box(
    ...[...check, ...byHand, "--health-startup-retries=2", "--stop-timeout=0"],
  );
  const { Pid } = (await inspect(it.id)).State;
  await ask(it.id);
  expect((await inspect(it.id)).State.Pid).toBe(Pid);
  await ask(it.id);
  const { State, RestartCount } = await until("it runs again", async () => {
    const now = await inspect(it.id);
    return now.RestartCount > 0 && now.State.Status === "running" && now;
  });
  expect([State.Health, RestartCount]).toEqual([
    { Status: "starting", FailingStreak: 0, Log: [] },
    1,
  ]);
  expect(State.Pid).not.toBe(Pid);
  expect((await ask(it.id)).stdout).toBe("starting\n");
});

test("what takes too long is killed and has failed", async () => {
  await using it = await box(
    ...["--health-cmd=true", "--health-startup-cmd", "sleep 1000", ...byHand],
    "--health-startup-timeout=50ms",
  );
  expect((await ask(it.id)).stdout).toBe("starting\n");
  expect((await health(it.id)).Log).toMatchObject([{ ExitCode: -1 }]);
});

describe("update", () => {
  test("of one that is still starting counts at once", async () => {
    await using it = await box(...check, ...byHand);
    expect((await ask(it.id)).stdout).toBe("starting\n");
    await ok("update", "--health-startup-cmd", '["true"]', "--health-startup-success=5", it.id);
    expect((await inspect(it.id)).Config.StartupHealthCheck).toEqual({
      ...{ Test: ["CMD", "true"], Interval: 0, Timeout: 30 * second, Retries: 0, Successes: 5 },
    });
    expect((await ask(it.id)).exitCode).toBe(0);
    expect(await health(it.id)).toMatchObject({ Status: "starting" });
    await ok("update", "--health-startup-cmd=none", it.id);
    expect((await inspect(it.id)).Config.StartupHealthCheck).toBeUndefined();
    await ask(it.id);
    expect(await health(it.id)).toMatchObject({ Status: "healthy", Log: [{}, {}, {}] });
  });

  test("of one that has started counts from its next start on", async () => {
    await using it = await box("--health-cmd=true", ...byHand.slice(0, 1));
    await ok("update", "--health-startup-cmd=false", ...byHand.slice(1), it.id);
    await ask(it.id);
    expect(await health(it.id)).toMatchObject({ Status: "healthy" });
    await ok("restart", "-t", "0", it.id);
    expect((await ask(it.id)).stdout).toBe("starting\n");
  });
});

test.each([
  [["--health-startup-cmd=true"], "there is none\n  give one with --health-cmd"],
  [["--health-cmd=true", "--health-startup-retries=2"], "need --health-startup-cmd"],
  [["--no-healthcheck", "--health-startup-cmd=true"], "Cannot combine --no-healthcheck"],
  [["--health-cmd=true", "--health-startup-cmd="], "--health-startup-cmd is empty"],
  [["--health-cmd=true", "--health-startup-cmd=a", "--health-startup-retries=-1"], '"-1"'],
])("%j is refused in a sentence, and nothing is made", async (flags, sentence) => {
  const before = await ok("ps", "-aq");
  const { exitCode, stderr } = await tspod("create", ...flags, "tiny", "true");
  expect([exitCode, stderr]).toEqual([125, expect.stringContaining(sentence)]);
  expect(await ok("ps", "-aq")).toBe(before);
});

test("one that is only created shows it", async () => {
  await using it = await createBox(shared.world, ...check, "tiny", "true");
  expect((await inspect(it.id)).Config.StartupHealthCheck).toEqual({
    ...{ Test: ["CMD-SHELL", "echo up; test -e /up"], Interval: 30 * second },
    ...{ Timeout: 30 * second, Retries: 0, Successes: 0 },
  });
});
