/** Many processes: a limit holds against who forks without end, and what ends a container ends all of them. */
import { describe, expect } from "bun:test";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { cgroupDelegation } from "../support/delegated-cgroup.ts";
import { testWith } from "../support/requirements.ts";
import { until } from "../support/wait.ts";
import { attack, attackRequirements, type Front, fronts, ready, type Target } from "./target.ts";

const test = testWith(...attackRequirements, cgroupDelegation);

/** Every process forks two that do the same, and none of them listens to anybody. */
const bomb = `trap '' TERM HUP INT; bomb() { bomb & bomb & wait; }; touch /talk/ready; bomb 2>/dev/null; exec sleep 1000`;
const thousand = `trap '' TERM; i=0; while [ $i -lt 1000 ]; do sleep 1000 & i=$((i + 1)); done; touch /talk/ready; wait`;

function swarm(front: Front, script: string, pidsMax: number): Target {
  const resources = { pids: { limit: pidsMax } };
  return attack(front, ["sh", "-c", script], { linux: { resources } });
}

/** As the host counts them: all that are in its pid namespace. */
function processesOf(target: Target): number[] {
  const namespaceOf = (pid: number | string): string | undefined => {
    try {
      return readlinkSync(`/proc/${pid}/ns/pid`);
    } catch {
      return undefined; // it has ended, or is not ours
    }
  };
  const own = namespaceOf(target.pids()[0] ?? 0);
  const all = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return own === undefined ? [] : all.filter((pid) => namespaceOf(pid) === own).map(Number);
}

const areAlive = (pids: number[]): boolean =>
  pids.some((pid) => {
    try {
      return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
    } catch {
      return false;
    }
  });

describe.each(fronts)("%s", (front) => {
  test("a fork bomb stays within its limit, and is stopped while it goes on", async () => {
    const pidsMax = 48;
    await using target = swarm(front, bomb, pidsMax);
    await target.background();
    await ready(target);
    await until("it has used up its room", () => processesOf(target).length > pidsMax / 2);
    for (let i = 0; i < 20; i++) expect(processesOf(target).length).toBeLessThanOrEqual(pidsMax);
    const pids = processesOf(target);
    await target.kill();
    await until("all have ended", () => !areAlive(pids));
  });

  test("a thousand processes that listen to nobody end with it", async () => {
    await using target = swarm(front, thousand, 2000);
    await target.background();
    await ready(target);
    const pids = processesOf(target);
    expect(pids.length).toBeGreaterThan(1000);
    await target.kill();
    await until("all have ended", () => !areAlive(pids));
  });
});
