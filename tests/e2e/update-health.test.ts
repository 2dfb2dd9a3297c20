/** update --health-*: another check, at once for a container that runs, and for every start from now on. */
import { describe, expect } from "bun:test";
import { readFileSync } from "node:fs";
import { type Box, createBox, runBox } from "../support/boxes.ts";
import { registryPrograms, testWith } from "../support/requirements.ts";
import { sharedWorld } from "../support/shared-world.ts";
import { until } from "../support/wait.ts";
import { tspodFile } from "../support/world.ts";

const test = testWith(...registryPrograms);
const shared = sharedWorld({ images: ["tiny"] });
const ok = (...words: string[]) => shared.world.ok(...words);
const tspod = (...words: string[]) => shared.world.tspod(words);
const box = (...flags: string[]): Promise<Box> => runBox(shared.world, "exec sleep 1000", ...flags);
const inspect = async (id: string) => JSON.parse(await ok("inspect", id))[0];
const becomes = (id: string, status: string) =>
  until(`it is ${status}`, async () => {
    const { State } = await inspect(id);
    return State.Health?.Status === status && State;
  });

/** Nobody asks but we. */
const byHand = "--health-interval=disable";
const second = 1e9;

describe("of a container that runs", () => {
  test("one that had none is asked at once, and no more after --no-healthcheck", async () => {
    await using it = await box();
    const { State } = await inspect(it.id);
    expect(State.Health).toBeUndefined();
    await ok("update", "--health-cmd", "echo fine", "--health-interval=100ms", it.id);
    const { Pid, Health } = await becomes(it.id, "healthy");
    expect([Pid, Health.Log[0].Output]).toEqual([State.Pid, "fine\n"]);
    expect((await inspect(it.id)).Config.Healthcheck).toEqual({
      Test: ["CMD-SHELL", "echo fine"],
      ...{ Interval: second / 10, Timeout: 30 * second, StartPeriod: 0 },
      ...{ StartInterval: 5 * second, Retries: 3 },
    });
    const asks = "{{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}}";
    expect(await ok("inspect", "-f", asks, it.id)).toBe("healthy");
    await ok("update", "--no-healthcheck", it.id);
    expect(await ok("inspect", "-f", asks, it.id)).toBe("none");
    const blunt = await tspod("inspect", "-f", "{{.State.Health.Status}}", it.id);
    expect([blunt.exitCode, blunt.stderr]).toEqual([125, expect.stringContaining("{{with .X}}")]);
    const { State: after, Config } = await inspect(it.id);
    expect([after.Pid, after.Health, Config.Healthcheck]).toEqual([
      State.Pid,
      undefined,
      undefined,
    ]);
    expect(await ok("ps", "--format", "{{.Status}}", "--filter", `id=${it.id}`)).not.toContain("(");
    const { exitCode, stderr } = await tspod("healthcheck", "run", it.id);
    expect([exitCode, stderr]).toEqual([125, expect.stringContaining("has no health check")]);
  });

  test("another number of retries keeps what was found, another command forgets it", async () => {
    await using it = await box("--health-cmd=false", "--health-retries=9", byHand);
    const ask = async () => {
      await tspod("healthcheck", "run", it.id);
      return (await inspect(it.id)).State.Health;
    };
    await ask();
    await ok("update", "--health-retries=2", it.id);
    expect((await inspect(it.id)).State.Health).toMatchObject({
      ...{ Status: "starting", FailingStreak: 1 },
    });
    expect(await ask()).toMatchObject({ Status: "unhealthy", FailingStreak: 2 });
    await ok("update", "--health-cmd", '["true"]', it.id);
    const { State, Config } = await inspect(it.id);
    expect(State.Health).toEqual({ Status: "starting", FailingStreak: 0, Log: [] });
    expect(Config.Healthcheck).toMatchObject({ Test: ["CMD", "true"], Interval: 0, Retries: 2 });
    expect(await ask()).toMatchObject({ Status: "healthy" });
  });

  test("a check that hangs gives way to the new one, which answers who waits", async () => {
    await using it = await box("--health-cmd", "echo > /asked; sleep 1000", byHand);
    const waiting = tspod("healthcheck", "run", it.id);
    await until("it is asked", async () => {
      return (await tspod("exec", it.id, "test", "-e", "/asked")).exitCode === 0;
    });
    await ok("update", "--health-cmd", "echo new", it.id);
    expect(await waiting).toMatchObject({ exitCode: 0, stdout: "", stderr: "" });
    expect((await inspect(it.id)).State.Health).toMatchObject({
      Status: "healthy",
      Log: [{ Output: "new\n" }],
    });
  });

  test("what follows is another, and so is how long it may take", async () => {
    await using it = await box("--health-cmd=false", "--health-retries=1", byHand);
    await tspod("healthcheck", "run", it.id);
    expect((await inspect(it.id)).State).toMatchObject({ Running: true });
    await ok("update", "--health-on-failure=kill", "--health-cmd", "sleep 1000", it.id);
    expect((await inspect(it.id)).Config).toMatchObject({
      ...{ HealthcheckOnFailureAction: "kill", HealthcheckMaxLogCount: 5 },
    });
    await ok("update", "--health-timeout=50ms", it.id);
    await tspod("healthcheck", "run", it.id);
    expect(await ok("wait", it.id)).toBe("137");
    expect((await inspect(it.id)).State.Health.Log).toMatchObject([{ ExitCode: -1 }]);
  });

  test("it holds after a restart, too", async () => {
    await using it = await box("--health-cmd=false", byHand);
    await ok("update", "--health-cmd", 'test "$MODE" = b', "-e", "MODE=b", it.id);
    await ok("restart", "-t", "0", it.id);
    expect((await tspod("healthcheck", "run", it.id)).exitCode).toBe(0);
  });
});

describe("of one that does not run", () => {
  test("it holds with its next start; what was found of the last is forgotten", async () => {
    await using it = await box("--health-cmd=true", byHand);
    await ok("healthcheck", "run", it.id);
    await ok("kill", it.id);
    await ok("wait", it.id);
    expect((await inspect(it.id)).State.Health.Status).toBe("healthy");
    await ok("update", "--health-cmd=false", "--health-retries=1", it.id);
    expect((await inspect(it.id)).State.Health).toEqual({
      ...{ Status: "starting", FailingStreak: 0, Log: [] },
    });
    await ok("start", it.id);
    expect((await tspod("healthcheck", "run", it.id)).exitCode).toBe(1);
    expect((await inspect(it.id)).State.Health.Status).toBe("unhealthy");
  });

  test("one that was turned off comes back with a command, and only with one", async () => {
    await using it = await createBox(shared.world, "--no-healthcheck", "tiny", "sleep", "1000");
    const refused = await tspod("update", "--health-interval=5s", it.id);
    expect([refused.exitCode, refused.stdout]).toEqual([125, ""]);
    expect(refused.stderr).toMatch(
      /^Error: Container ".*" has no health check\n {2}.*--health-cmd/,
    );
    await ok("update", "--health-cmd=true", "--health-start-period=1m", it.id);
    expect((await inspect(it.id)).Config.Healthcheck).toMatchObject({
      ...{ Test: ["CMD-SHELL", "true"], StartPeriod: 60 * second },
    });
    const path = `${shared.world.root}/data/containers/${it.id}/helper.json`;
    await ok("update", "--health-cmd=none", it.id);
    expect(JSON.parse(readFileSync(path, "utf8")).health).toBeUndefined();
  });
});

test.each([
  [["--no-healthcheck", "--health-retries=2"], "Cannot combine --no-healthcheck"],
  [["--health-interval=soon"], "--health-interval"],
  [["--health-retries=0"], '--health-retries "0"'],
  [["--health-cmd="], "--health-cmd is empty"],
  [["--health-on-failure=dance"], '--health-on-failure "dance"'],
  [["--health-startup-retries=2"], "has no startup check"],
  [["--health-startup-cmd="], "--health-startup-cmd is empty"],
])("%j is refused in a sentence, and changes nothing", async (words, sentence) => {
  await using it = await createBox(shared.world, "--health-cmd=true", "tiny", "true");
  const before = await inspect(it.id);
  const { exitCode, stderr, stdout } = await tspod("update", ...words, it.id);
  expect([exitCode, stdout, stderr]).toEqual([125, "", expect.stringContaining(sentence)]);
  expect(await inspect(it.id)).toEqual(before);
});

describe("what runs with its caller's streams", () => {
  test("is never restarted, and ends as it would have", async () => {
    const line = `${tspodFile} run --rm --label direct tiny sleep 1000 </dev/null 2>&1 | cat; exit \${PIPESTATUS[0]}`;
    const { environment } = shared.world;
    const running = Bun.spawn(["bash", "-c", line], { env: environment });
    const id = await until("it runs", () => ok("ps", "-q", "--filter", "label=direct"));
    const refused = [
      ["--restart", "on-failure:3"],
      ["--health-cmd=true", "--health-on-failure=restart"],
    ];
    for (const words of refused) {
      const { exitCode, stderr } = await tspod("update", ...words, id);
      expect([exitCode, stderr]).toEqual([125, expect.stringContaining("Cannot have")]);
    }
    const { State, HostConfig } = await inspect(id);
    expect([State.Health, HostConfig.RestartPolicy.Name]).toEqual([undefined, "no"]);
    await ok("update", "--health-cmd=false", "--health-retries=1", byHand, id);
    expect((await tspod("healthcheck", "run", id)).exitCode).toBe(1);
    process.kill(State.Pid, "SIGKILL");
    expect(await running.exited).toBe(137);
  });

  test("with --rm and in the background it is started again once its policy says so", async () => {
    await using it = await box("--rm");
    await ok("exec", it.id, "touch", "/kept");
    await ok("update", "--restart", "on-failure:3", it.id);
    const { State } = await inspect(it.id);
    process.kill(State.Pid, "SIGKILL");
    await until("it runs again", async () => {
      const { State: now } = await inspect(it.id);
      return now.Status === "running" && now.Pid !== State.Pid;
    });
    await ok("exec", it.id, "test", "-e", "/kept");
  });
});
