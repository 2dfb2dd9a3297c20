/** create --rm: it waits for its start, and goes with its end. */
import { expect } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { registryPrograms, testWith } from "../support/requirements.ts";
import { sharedWorld } from "../support/shared-world.ts";
import { until } from "../support/wait.ts";

const test = testWith(...registryPrograms);
const shared = sharedWorld({ images: ["tiny"] });

test("other commands leave it alone until it has run; then it is gone, with its row", async () => {
  const { world } = shared;
  const id = await world.ok("create", "--rm", "--name", "later", "tiny", "echo", "ran");
  expect(await world.ok("ps", "-aq", "--no-trunc")).toBe(id);
  expect(await world.ok("start", "-a", "later")).toBe("ran");
  expect(await world.ok("ps", "-aq")).toBe("");
  expect(existsSync(`${world.root}/data/containers/${id}`)).toBe(false);
});

test("started in the background too, and when its monitor is killed", async () => {
  const { world } = shared;
  const ended = await world.ok("create", "--rm", "tiny", "true");
  await world.ok("start", ended);
  await until("it is gone", async () => (await world.ok("ps", "-aq")) === "");
  const id = await world.ok("create", "--rm", "tiny", "sleep", "1000");
  await world.ok("start", id);
  const state = readFileSync(`${world.root}/run/${id.slice(0, 24)}/state.json`, "utf8");
  process.kill((JSON.parse(state) as { monitorPid: number }).monitorPid, "SIGKILL");
  await until("it is gone", async () => (await world.ok("ps", "-aq")) === "");
  expect(existsSync(`${world.root}/data/containers/${id}`)).toBe(false);
});
