/** start and rm of one container at the same time: one command does it, the others wait and say how it came out. */
import { expect } from "bun:test";
import { readdirSync } from "node:fs";
import { createBox } from "../support/boxes.ts";
import { processesOf } from "../support/leaks.ts";
import { registryPrograms, testWith } from "../support/requirements.ts";
import { sharedWorld } from "../support/shared-world.ts";

const test = testWith(...registryPrograms);
const shared = sharedWorld({ images: ["tiny"] });
const trials = 8;

test("a container that is removed while it is started does not run on without a row", async () => {
  const { world } = shared;
  for (let trial = 0; trial < trials; trial++) {
    await using box = await createBox(world, "tiny", "sleep", "1000");
    const [start, remove] = await Promise.all([
      world.tspod(["start", box.id]),
      world.tspod(["rm", "-f", box.id]),
    ]);
    expect(remove.exitCode).toBe(0);
    if (start.exitCode !== 0)
      expect(start.stderr).toMatch(/has been removed|Cannot find container/);
    expect(await world.ok("ps", "-aq")).toBe("");
    expect(processesOf(world.root).filter(({ command }) => command === "sleep 1000")).toEqual([]);
    expect(readdirSync(`${world.root}/data/containers`)).toEqual([]);
  }
});

test("of many starts one does it, and all are content", async () => {
  const { world } = shared;
  await using box = await createBox(world, "tiny", "sleep", "1000");
  const starts = await Promise.all(Array.from({ length: 6 }, () => world.tspod(["start", box.id])));
  expect(starts.map(({ exitCode, stderr }) => [exitCode, stderr])).toEqual(Array(6).fill([0, ""]));
  expect(processesOf(world.root).filter(({ command }) => command === "sleep 1000")).toHaveLength(1);
});
