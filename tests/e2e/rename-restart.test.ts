/** rename and restart; names that are taken, found and freed. */
import { expect } from "bun:test";
import { readFileSync } from "node:fs";
import { createBox, inspectOne, runBox } from "../support/boxes.ts";
import { registryPrograms, testWith } from "../support/requirements.ts";
import { sharedWorld } from "../support/shared-world.ts";
import { tspodFile } from "../support/world.ts";
import { until } from "../support/wait.ts";

const test = testWith(...registryPrograms);
const shared = sharedWorld({ images: ["tiny"] });

test("rename of a running container: the name is free again, the new one is told by everybody", async () => {
  const { world } = shared;
  await using box = await runBox(world, "sleep 1000", "--name", "before");
  await world.ok("rename", "before", "after");
  expect((await inspectOne(world, "after")).Id).toBe(box.id);
  expect(await world.ok("ps", "--format", "{{.Names}}")).toBe("after");
  expect((await world.tspod(["inspect", "before"])).exitCode).toBe(125);
  const helper = readFileSync(`${world.root}/data/containers/${box.id}/helper.json`, "utf8");
  expect((JSON.parse(helper) as { name: string }).name).toBe("after");
  await using second = await createBox(world, "--name", "before", "tiny");
  const taken = await world.tspod(["rename", "before", "after"]);
  expect([taken.exitCode, taken.stderr]).toEqual([
    125,
    expect.stringContaining('"after" is in use'),
  ]);
  const same = await world.tspod(["rename", "after", "/after"]);
  expect([same.exitCode, same.stderr]).toEqual([125, expect.stringContaining("already")]);
  const bad = await world.tspod(["rename", "after", "a b"]);
  expect([bad.exitCode, bad.stderr]).toEqual([125, expect.stringContaining('"a b"')]);
  expect(second.id).not.toBe(box.id);
  const events = await world.ok(
    "events",
    "--stream=false",
    "-f",
    "event=rename",
    "--format",
    "{{.Name}} {{.Attributes.oldName}}",
  );
  expect(events).toBe("after before");
  await world.ok("kill", "after");
  await world.ok("wait", "after");
  expect(
    await world.ok("events", "--stream=false", "-f", "event=die", "--format", "{{.Name}}"),
  ).toBe("after"); // its monitor has been told
});

test("of many that want one name, one gets it, and nobody fails for a lock", async () => {
  const { world } = shared;
  const made = await Promise.all(Array.from({ length: 8 }, () => createBox(world, "tiny")));
  const outcomes = await Promise.all(made.map(({ id }) => world.tspod(["rename", id, "wanted"])));
  expect(outcomes.map(({ exitCode }) => exitCode).sort()).toEqual([0, ...Array(7).fill(125)]);
  for (const { exitCode, stderr } of outcomes)
    if (exitCode !== 0) expect(stderr).toContain("in use");
  await world.ok("rm", ...made.map(({ id }) => id));
});

test("restart runs it again, starts what is stopped, and --running leaves that alone", async () => {
  const { world } = shared;
  await using box = await runBox(world, "echo up; exec sleep 1000");
  const { State } = await inspectOne(world, box.id);
  expect(await world.ok("restart", "-t", "0", box.id)).toBe(box.id);
  const { State: later } = await inspectOne(world, box.id);
  expect(later.Status).toBe("running");
  expect(later.Pid).not.toBe(State.Pid);
  await until("it is up", async () => (await world.ok("logs", box.id)) === "up\nup");
  await world.ok("kill", box.id);
  await world.ok("wait", box.id);
  expect(await world.ok("restart", "--running")).toBe("");
  expect((await inspectOne(world, box.id)).State.Status).toBe("exited");
  await world.ok("restart", box.id);
  expect((await inspectOne(world, box.id)).State.Status).toBe("running");
});

test("restarts at once: whoever is slower finds done what was asked for", async () => {
  const { world } = shared;
  await using box = await runBox(world, "exec sleep 1000");
  const before = await world.ok("inspect", "-f", "{{.State.Pid}}", box.id);
  const all = await Promise.all(
    Array.from({ length: 6 }, () => world.tspod(["restart", "-t", "0", box.id])),
  );
  expect(all.map(({ exitCode, stderr }) => [exitCode, stderr])).toEqual(all.map(() => [0, ""]));
  const [pid, status] = (
    await world.ok("inspect", "-f", "{{.State.Pid}} {{.State.Status}}", box.id)
  ).split(" ");
  expect([status, pid === before]).toEqual(["running", false]);
});

test("restart --signal asks with that one", async () => {
  const { world } = shared;
  await using box = await runBox(
    world,
    "trap 'echo asked; exit 0' USR1; echo up; sleep 1000 & wait",
  );
  await until("it listens", async () => (await world.ok("logs", box.id)) === "up");
  await world.ok("restart", "--signal", "USR1", "-t", "100", box.id);
  await until("it is up", async () => (await world.ok("logs", box.id)) === "up\nasked\nup");
});

test("restart of what its end removes: it runs again, and its next end removes it", async () => {
  const { world } = shared;
  const script = "echo up; touch /once; exec sleep 1000";
  await using box = await runBox(world, script, "--rm", "--name", "mayfly");
  const { State } = await inspectOne(world, box.id);
  expect(await world.ok("restart", "-t", "0", "mayfly")).toBe("mayfly");
  const { State: later, RestartCount } = await inspectOne(world, box.id);
  expect([later.Status, RestartCount]).toEqual(["running", 0]);
  expect(later.Pid).not.toBe(State.Pid);
  await until("it is up", async () => (await world.ok("logs", "mayfly")) === "up\nup");
  await world.ok("exec", "mayfly", "test", "-e", "/once"); // the same container, with what it wrote
  const events = ["events", "--stream=false", "-f", `container=${box.id}`, "--format"];
  expect(await world.ok(...events, "{{.Status}}")).toBe(
    "create\nstart\ndied\nrestart\nstart\nexec\nexec_died",
  );
  await world.ok("stop", "-t", "0", "mayfly");
  await until("it is gone", async () => (await world.ok("ps", "-aq")) === "");
  const { exitCode, stderr } = await world.tspod(["restart", "mayfly"]);
  expect([exitCode, stderr]).toEqual([125, expect.stringContaining("mayfly")]);
});

test("restart of one that has its caller's pipes is refused, and it runs on", async () => {
  const { world } = shared;
  const line = `"$TSPOD" run --rm tiny sleep 1000 </dev/null 2>/dev/null | cat`;
  const child = Bun.spawn(["bash", "-c", line], {
    env: { ...world.environment, TSPOD: tspodFile },
  });
  const id = await until("it runs", () => world.ok("ps", "-q"));
  const { exitCode, stderr } = await world.tspod(["restart", id]);
  expect([exitCode, stderr]).toEqual([125, expect.stringContaining("are its own")]);
  expect((await inspectOne(world, id)).State.Status).toBe("running");
  await world.ok("kill", id);
  await child.exited;
});
