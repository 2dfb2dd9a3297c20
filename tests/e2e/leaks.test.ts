/** Many runs leave nothing behind: no process, mount, cgroup, directory or row, and none fails. */
import { describe, expect } from "bun:test";
import { readdirSync } from "node:fs";
import { leftovers } from "../support/leaks.ts";
import { registryPrograms, testWith } from "../support/requirements.ts";
import { until } from "../support/wait.ts";
import { makeWorld, type Result, type World } from "../support/world.ts";

const test = testWith(...registryPrograms);
const timeoutMs = 300_000;

const inARow = 120;
const atOnce = 50;

function openFiles(): number {
  return readdirSync("/proc/self/fd").length;
}

async function expectNothingLeft(world: World): Promise<void> {
  let left: string[] = [];
  await until("nothing is left", () => (left = leftovers(world.root)).length === 0).catch(() => {
    expect(left).toEqual([]);
  });
}

describe("leaks", () => {
  test(
    `${inARow} runs in a row`,
    async () => {
      await using world = await makeWorld({ images: ["tiny"] });
      const before = openFiles();
      const failures: Result[] = [];
      for (let index = 0; index < inARow; index += 1) {
        const network = index % 2 === 0 ? "none" : "private";
        const words = ["run", "--rm", "--network", network, "tiny", "echo", `${index}`];
        const result = await world.tspod(words);
        if (result.exitCode !== 0 || result.stdout !== `${index}\n`) failures.push(result);
      }
      expect(failures).toEqual([]);
      await expectNothingLeft(world);
      expect(openFiles() - before).toBeLessThan(10);
    },
    timeoutMs,
  );

  test(
    `${atOnce} at once, in the foreground`,
    async () => {
      await using world = await makeWorld({ images: ["tiny"] });
      const runs = Array.from({ length: atOnce }, (_, index) =>
        world.tspod(["run", "--rm", "tiny", "echo", `${index}`], { timeoutMs: 120_000 }),
      );
      const results = await Promise.all(runs);
      const expected = results.map((_, index) => ({
        exitCode: 0,
        stdout: `${index}\n`,
        stderr: "",
      }));
      expect(results).toEqual(expected);
      await expectNothingLeft(world);
    },
    timeoutMs,
  );

  test(
    `${atOnce} at once, detached, then stopped at once`,
    async () => {
      await using world = await makeWorld({ images: ["tiny"] });
      const ids = await Promise.all(
        Array.from({ length: atOnce }, () => world.ok("run", "-d", "tiny", "sleep", "1000")),
      );
      expect(new Set(ids).size).toBe(atOnce);
      expect((await world.ok("ps", "-q")).split("\n")).toHaveLength(atOnce);
      await Promise.all(ids.map((id) => world.ok("rm", "-f", id)));
      await expectNothingLeft(world);
    },
    timeoutMs,
  );

  test(
    "first starts at once: every pull wins, one download",
    async () => {
      await using world = await makeWorld();
      const results = await Promise.all(
        Array.from({ length: 8 }, () => world.tspod(["run", "--rm", "tiny", "echo", "x"])),
      );
      expect(results.map(({ exitCode, stdout }) => `${exitCode} ${stdout}`)).toEqual(
        Array.from({ length: 8 }, () => "0 x\n"),
      );
      await expectNothingLeft(world);
    },
    timeoutMs,
  );
});
