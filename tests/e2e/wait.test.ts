/** wait: for which state, for how many, and that nobody is asked time and again meanwhile. */
import { expect } from "bun:test";
import { readFileSync } from "node:fs";
import { createBox, runBox } from "../support/boxes.ts";
import { cgroupDelegation } from "../support/delegated-cgroup.ts";
import { registryPrograms, testWith } from "../support/requirements.ts";
import { sharedWorld } from "../support/shared-world.ts";
import { delay, until } from "../support/wait.ts";
import type { Running } from "../support/world.ts";

const test = testWith(...registryPrograms);
const frozen = testWith(...registryPrograms, cgroupDelegation);
const shared = sharedWorld({ images: ["tiny"] });

/** A wait that has got as far as waiting: it watches files. */
async function waiting(...words: string[]): Promise<Running> {
  const started = shared.world.start(["wait", ...words]);
  await until("it waits", () => {
    if (started.exitCode !== null) throw new Error(`wait ${words.join(" ")} did not wait`);
    return watches(started.pid) > 0;
  });
  return started;
}

/** inotify(7) watches of a process, by proc_pid_fdinfo(5). */
function watches(pid: number): number {
  try {
    const list = Bun.spawnSync(["sh", "-c", `cat /proc/${pid}/fdinfo/* 2>/dev/null`]).stdout;
    return list
      .toString()
      .split("\n")
      .filter((line) => line.startsWith("inotify ")).length;
  } catch {
    return 0;
  }
}

/** How often it has slept, while it sleeps: two that are the same have nothing to do between them. */
function sleeps({ pid }: Running): string | null {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  if (!/^State:\s+S/m.test(status)) return null;
  return /^voluntary_ctxt_switches:\s+(\d+)/m.exec(status)?.[1] ?? null;
}

/** It has asked, and waits for the answer. */
async function rests(running: Running): Promise<void> {
  await until("it rests", async () => {
    const before = sleeps(running);
    await delay(50);
    return before !== null && sleeps(running) === before;
  });
}

const answer = async (running: Running): Promise<string> => {
  const text = await running.stdout.text();
  await running.exited;
  return text.trim();
};

test("--condition running, exited, next-exit and removed come when they come", async () => {
  const { world } = shared;
  await using box = await createBox(world, "tiny", "sh", "-c", "read line; exit 7");
  expect(await world.ok("wait", box.id)).toBe("0"); // it does not run
  const [running, nextExit, removed] = await Promise.all(
    ["running", "next-exit", "removed"].map((state) => waiting("--condition", state, box.id)),
  );
  if (running === undefined || nextExit === undefined || removed === undefined) throw new Error();
  await world.ok("start", box.id); // its input is empty
  expect(await answer(running)).toBe("-1");
  expect(await answer(nextExit)).toBe("7");
  expect(await world.ok("wait", "--condition", "exited", box.id)).toBe("7");
  expect(await world.ok("wait", "--condition", "created,stopped", box.id)).toBe("7");
  const again = await waiting("--condition", "next-exit", box.id);
  await world.ok("start", box.id);
  expect(await answer(again)).toBe("7");
  await world.ok("rm", box.id);
  expect(await answer(removed)).toMatch(/^[07]$/); // the last end that it has seen, if any
});

test("the exit code of a container with --rm is told, removed or not", async () => {
  const { world } = shared;
  await using box = await runBox(
    world,
    "trap 'exit 9' TERM; echo; while :; do sleep 0.01; done",
    "--rm",
  );
  await until("it runs", async () => (await world.tspod(["logs", box.id])).stdout !== "");
  const waits = [await waiting(box.id), await waiting("--condition", "removed", box.id)];
  await Promise.all(waits.map(rests));
  await until("its trap is set", async () =>
    /SigCgt:\s+0*[1-9a-f]*4/.test(await world.ok("exec", box.id, "cat", "/proc/1/status")),
  );
  await world.ok("kill", "-s", "TERM", box.id);
  expect(await Promise.all(waits.map(answer))).toEqual(["9", "9"]);
});

test("several: in their order, or the first that comes; --ignore says -1 of nobody", async () => {
  const { world } = shared;
  await using slow = await runBox(world, "exec sleep 1000");
  await using quick = await runBox(world, "exit 4");
  const all = await waiting("--ignore", slow.id, quick.id, "nobody");
  expect(await world.ok("wait", "--exit-first-match", slow.id, quick.id)).toBe("4");
  const first = await world.tspod(["wait", "--exit-first-match", slow.id, "nobody"]);
  expect([first.exitCode, first.stderr]).toEqual([125, expect.stringContaining('"nobody"')]);
  await world.ok("kill", slow.id);
  expect(await answer(all)).toBe("137\n4\n-1");
  const mixed = await world.tspod(["wait", "nobody", quick.id]);
  expect([mixed.exitCode, mixed.stdout]).toEqual([125, "4\n"]);
});

frozen("--condition paused", async () => {
  const { world } = shared;
  await using box = await runBox(world);
  const paused = await waiting("--condition", "paused", box.id);
  await world.ok("pause", box.id);
  expect(await answer(paused)).toBe("-1");
});

test("a wait sleeps, and the death of the monitor wakes it", async () => {
  const { world } = shared;
  await using box = await runBox(world);
  const sleeping = await waiting(box.id);
  const watchedMs = 500;
  await until("it has settled", async () => {
    const before = wakeUps(sleeping.pid);
    await delay(watchedMs);
    return wakeUps(sleeping.pid) - before < 20; // its runtime has timers of its own
  });
  const state = `${world.root}/run/${box.id.slice(0, 24)}/state.json`;
  const { monitorPid } = JSON.parse(readFileSync(state, "utf8")) as { monitorPid: number };
  process.kill(monitorPid, "SIGKILL");
  expect(await answer(sleeping)).toBe("137");
});

function wakeUps(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(status)?.[1]);
}
