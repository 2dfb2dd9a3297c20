/** SIGKILL at any moment: the container dies with whoever watches over it, and the next start is as if nothing was. */
import { describe, expect } from "bun:test";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import type { Attach } from "../../src/helper/contract.ts";
import { delay, until } from "../support/wait.ts";
import { attached, Container, runtimeTest } from "./runtime-fixture.ts";

const kinds: { what: string; attach: Attach | undefined; init: boolean }[] = [
  { what: "passthrough", attach: { ...attached, passthrough: true }, init: false },
  { what: "foreground", attach: attached, init: false },
  { what: "foreground with init, as another user", attach: attached, init: true },
  { what: "detached", attach: undefined, init: false },
];

/** Moments of a start, which takes 4 to 10 ms. */
const momentsMs = Array.from({ length: 24 }, (_, i) => i * 0.5);

/** Whoever works for this container outside of it: the helper's process and the monitor it forks. */
function watchers(container: Container): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
        return words.includes("native") && words.includes(container.directory);
      } catch {
        return false; // it ended
      }
    })
    .map(Number);
}

function killAll(pids: number[]): void {
  for (const pid of pids) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // it ended by itself
    }
  }
}

describe("the monitor is killed", () => {
  runtimeTest.each(kinds)(
    "$what: nothing runs on, and it can be started again",
    async ({ attach, init }) => {
      await using container = new Container(["sleep", "1000"], {
        helper: { attach: attach as never, init, user: init ? "app" : "" },
      });
      for (const moment of momentsMs) {
        const run = container.start();
        let hasEnded = false;
        const outcome = run.outcome.finally(() => (hasEnded = true));
        await delay(moment);
        // the child between clone3 and execve looks like its parent: it may be hit or spared
        const isOver = (): boolean => {
          killAll(watchers(container)); // again: one may just have been forked, or not be seen yet
          return hasEnded && processes(container).length === 0;
        };
        await until(`nothing is left, killed after ${moment} ms`, isOver);
        await outcome;
      }
      rmSync(container.runtimeDir, { recursive: true, force: true });
      const run = container.start();
      await run.started;
      expect(await container.control({ op: "ping" })).toMatchObject({ ok: true });
      await container.control({ op: "signal", signal: 9 });
      await run.outcome;
    },
    30_000,
  );

  runtimeTest("what it left in the runtime directory does not disturb the next start", async () => {
    await using container = new Container(["sleep", "1000"]);
    await container.run();
    const first = container.state();
    process.kill(first.monitorPid, "SIGKILL");
    await until("it is dead", () => processes(container).length === 0);
    await container.run();
    expect(container.state().monitorPid).not.toBe(first.monitorPid);
    expect(await container.control({ op: "ping" })).toMatchObject({ ok: true });
  });
});

describe("the client is killed", () => {
  runtimeTest(
    "while it starts: the container runs, or nothing does",
    async () => {
      for (const moment of momentsMs) {
        await using container = new Container(["sleep", "1000"], { helper: { attach: attached } });
        const run = container.start();
        await delay(moment);
        run.process.kill("SIGKILL");
        await run.outcome;
        // a monitor that has begun goes on by itself; it must be reachable or gone in the end
        await until("it runs, or nothing does", async () => {
          const reply = await container.control({ op: "ping" });
          return reply?.ok === true || processes(container).length === 0;
        });
      }
    },
    30_000,
  );

  runtimeTest("while output flows: the container is not held back", async () => {
    await using container = new Container(["sh", "-c", "seq 300000; sleep 1000"], {
      helper: { attach: attached, log: { driver: "none" } },
    });
    const run = container.start();
    await run.started;
    run.process.kill("SIGKILL");
    await run.outcome;
    await until("the container has written it all", () =>
      processes(container).some((line) => line.endsWith(" sleep")),
    );
  });
});

function processes(container: Container): string[] {
  return container.leftovers().filter((line) => line.startsWith("process"));
}
