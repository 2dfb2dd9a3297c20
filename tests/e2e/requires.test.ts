/** --requires: what a container needs is started before it, in order, and cannot be removed from under it. */
import { expect } from "bun:test";
import { inspectOne } from "../support/boxes.ts";
import { registryPrograms, testWith } from "../support/requirements.ts";
import { sharedWorld } from "../support/shared-world.ts";

const test = testWith(...registryPrograms);
const shared = sharedWorld({ images: ["tiny"] });

test("starts what is required first, each once and in order; rm says who needs it", async () => {
  const { world } = shared;
  const sleeper = ["tiny", "sleep", "1000"];
  await world.ok("create", "--name", "db", ...sleeper);
  await world.ok("create", "--name", "cache", "--requires", "db", ...sleeper);
  await world.ok("create", "--name", "app", "--requires", "cache,db", ...sleeper);
  await world.ok("rename", "db", "store"); // an id outlives a name
  const web = await world.ok("run", "-d", "--name", "web", "--requires", "app", ...sleeper);
  const started = ["events", "--stream=false", "-f", "event=start", "--format", "{{.Name}}"];
  expect(await world.ok(...started)).toBe("store\ncache\napp\nweb");
  const ids = (await world.ok("ps", "-q", "--no-trunc")).split("\n");
  expect(ids).toHaveLength(4);
  expect((await inspectOne(world, "web")).Dependencies).toEqual([
    (await inspectOne(world, "app")).Id,
  ]);
  await world.ok("stop", "-t", "0", "-a");
  await world.ok("start", "cache");
  expect(await world.ok("ps", "--format", "{{.Names}}", "--sort", "names")).toBe("cache\nstore");
  await world.ok("stop", "-t", "0", "-a");
  const needed = await world.tspod(["rm", "store"]);
  expect([needed.exitCode, needed.stderr]).toEqual([
    125,
    expect.stringMatching(/Cannot remove "store": .*"cache".* depend on it/),
  ]);
  await world.ok("rm", "-f", "store"); // who insists
  const gone = await world.tspod(["start", web]);
  expect([gone.exitCode, gone.stderr]).toEqual([
    125,
    expect.stringContaining('Cannot start "cache": a container that it requires is gone'),
  ]);
  expect((await world.ok("rm", "--depend", "cache")).split("\n")).toEqual(["cache"]);
  expect(await world.ok("ps", "-aq")).toBe("");
});

test("what cannot be required is refused, and nothing is made or left", async () => {
  const { world } = shared;
  const cases = [
    [["--requires", "nobody"], 'Cannot find container "nobody"'],
    [["--name", "me", "--requires", "me"], "cannot require itself"],
    [["--requires", "a,,b"], 'Invalid --requires "a,,b"'],
  ] as const;
  for (const [flags, words] of cases) {
    const { exitCode, stderr } = await world.tspod(["run", ...flags, "tiny", "true"]);
    expect([exitCode, stderr]).toEqual([125, expect.stringContaining(words)]);
  }
  await world.ok("create", "--name", "broken", "tiny", "no-such-program");
  const failed = await world.tspod(["run", "--requires", "broken", "tiny", "true"]);
  expect([failed.exitCode, failed.stderr]).toEqual([
    127,
    expect.stringContaining("no-such-program"),
  ]);
  expect(await world.ok("ps", "-a", "--format", "{{.Names}}")).toBe("broken");
});
