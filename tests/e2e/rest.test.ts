/** What a container at rest costs: one process of ours, smaller than conmon, and one if it has a network. None wakes up. */
import { expect } from "bun:test";
import { readFileSync } from "node:fs";
import { processesOf } from "../support/leaks.ts";
import { memoryKib } from "../support/memory.ts";
import { registryPrograms, testWith } from "../support/requirements.ts";
import { delay, until } from "../support/wait.ts";
import { makeWorld } from "../support/world.ts";

const test = testWith(...registryPrograms);

/** conmon alone on this kind of machine: 1.1 MiB resident, of which half is shared once there are many. */
const residentMaxKib = 1024;
const watchedMs = 1000;

test.each([
  ["none", 1],
  ["private", 2],
])(
  "with --network=%s a detached container keeps %i small processes that sleep",
  async (network, count) => {
    await using world = await makeWorld({ images: ["tiny"] });
    await world.ok("run", "-d", "--network", network, "tiny", "sleep", "1000");
    const ours = processesOf(world.root).filter(({ command }) => command !== "sleep 1000");
    expect(ours.map(({ command }) => command)).toHaveLength(count);
    const pids = ours.map(({ pid }) => pid);
    for (const pid of pids) {
      // what starting took is given back once it has started
      await until("it is small", () => (memoryKib(pid) ?? Infinity) < residentMaxKib);
    }
    // the container's kernel greets its network for a while
    await until("none wakes up any more", async () => {
      const before = pids.map(wakeUps).join();
      await delay(watchedMs);
      return pids.map(wakeUps).join() === before;
    });
  },
);

/** proc(5), status: how often it gave up the processor to wait. */
function wakeUps(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(status)?.[1]);
}
