/** What a container at rest costs: one process of ours, smaller than conmon, that never wakes up. */
import { expect } from "bun:test";
import { readFileSync } from "node:fs";
import { processesOf } from "../support/leaks.ts";
import { memoryKib } from "../support/memory.ts";
import { registryPrograms, testWith } from "../support/requirements.ts";
import { delay } from "../support/wait.ts";
import { makeWorld } from "../support/world.ts";

const test = testWith(...registryPrograms);

/** conmon alone on this kind of machine: 1.1 MiB resident, of which half is shared once there are many. */
const residentMaxKib = 1024;
const watchedMs = 1000;

test("a detached container keeps one small process, and that one sleeps", async () => {
  await using world = await makeWorld({ images: ["tiny"] });
  await world.ok("run", "-d", "tiny", "sleep", "1000");
  const ours = processesOf(world.root).filter(({ command }) => command !== "sleep 1000");
  expect(ours.map(({ command }) => command)).toHaveLength(1);
  const [monitor] = ours;
  const pid = monitor?.pid ?? 0;
  expect(memoryKib(pid)).toBeLessThan(residentMaxKib);
  const before = wakeUps(pid);
  await delay(watchedMs);
  expect(wakeUps(pid) - before).toBe(0);
});

/** proc(5), status: how often it gave up the processor to wait. */
function wakeUps(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(status)?.[1]);
}
