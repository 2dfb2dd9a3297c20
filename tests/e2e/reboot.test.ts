/** After a reboot: a fresh runtime directory and none of our processes. What ran is not forgotten, what should run can. */
import { describe, expect } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { reboot } from "../support/reboot.ts";
import { registryPrograms, testWith } from "../support/requirements.ts";
import { makeWorld, type World } from "../support/world.ts";
import { until } from "../support/wait.ts";

const test = testWith(...registryPrograms);

const states = async (world: World): Promise<Record<string, string>> =>
  Object.fromEntries(
    (await world.ok("ps", "-a", "--format", "{{.Names}} {{.State}}"))
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => line.split(" ")),
  );

describe("start --all-restartable", () => {
  test("starts what should run, and only that", async () => {
    await using world = await makeWorld({ images: ["tiny"] });
    const run = (name: string, restart: string, ...command: string[]) =>
      world.ok("run", "-d", "--name", name, `--restart=${restart}`, "tiny", ...command);
    for (const policy of ["no", "on-failure", "always", "unless-stopped"]) {
      await run(policy, policy, "sleep", "1000");
      await run(`${policy}-stopped`, policy, "sleep", "1000");
      await world.ok("stop", "-t", "0", `${policy}-stopped`);
    }
    await run("well", "on-failure", "true");
    await world.ok("wait", "well");
    await world.ok("create", "--name", "never", "--restart=always", "tiny", "sleep", "1000");
    await reboot(world);
    expect(await states(world)).toEqual({
      ...{ no: "exited", "on-failure": "exited", always: "exited", "unless-stopped": "exited" },
      ...{ "no-stopped": "exited", "on-failure-stopped": "exited", "always-stopped": "exited" },
      ...{ "unless-stopped-stopped": "exited", well: "exited", never: "created" },
    });
    await world.ok("start", "--all-restartable");
    const now = await states(world);
    const runs = Object.keys(now).filter((name) => now[name] === "running");
    expect(runs.sort()).toEqual(["always", "always-stopped", "on-failure", "unless-stopped"]);
    expect(await world.ok("start", "--all-restartable")).toBe("");
  });

  test("a logout ends what runs, is no stop of the user's, and is followed by no restart", async () => {
    await using world = await makeWorld({ images: ["tiny"] });
    const script = "trap 'exit 0' TERM; touch /ready; while :; do sleep 0.05; done";
    const id = await world.ok(
      ...["run", "-d", "--name", "out", "--restart=unless-stopped", "tiny", "sh", "-c", script],
    );
    await until("it hears", () =>
      existsSync(join(world.root, "data/containers", id, "upper/ready")),
    );
    const state = readFileSync(join(world.root, "run", id.slice(0, 24), "state.json"), "utf8");
    process.kill((JSON.parse(state) as { monitorPid: number }).monitorPid, "SIGTERM"); // the monitor wrote it
    await until("it has ended", async () => (await states(world)).out === "exited");
    expect(await world.ok("start", "--all-restartable")).toBe(id);
    expect(await states(world)).toEqual({ out: "running" });
  });

  test("a container removed with its end is not there any more", async () => {
    await using world = await makeWorld({ images: ["tiny"] });
    await world.ok("run", "-d", "--rm", "--name", "brief", "tiny", "sleep", "1000");
    await reboot(world);
    expect(await states(world)).toEqual({});
  });
});

describe("start", () => {
  test("--all and --filter choose; what runs is left alone", async () => {
    await using world = await makeWorld({ images: ["tiny"] });
    const create = (name: string, ...flags: string[]) =>
      world.ok("create", "--name", name, ...flags, "tiny", "sleep", "1000");
    await create("one", "-l", "tier=front");
    await create("two");
    await create("three");
    await world.ok("start", "--filter", "label=tier=front");
    expect(await states(world)).toEqual({ one: "running", two: "created", three: "created" });
    expect((await world.ok("start", "--all")).split("\n")).toHaveLength(2);
    expect(Object.values(await states(world))).toEqual(["running", "running", "running"]);
    expect(await world.ok("start", "one", "two")).toBe("one\ntwo");
  });

  test("names and choosing flags contradict", async () => {
    await using world = await makeWorld();
    for (const words of [["start"], ["start", "--all", "x"]]) {
      const { exitCode, stderr } = await world.tspod(words);
      expect(exitCode).toBe(125);
      expect(stderr).toContain("--all-restartable");
    }
  });
});
