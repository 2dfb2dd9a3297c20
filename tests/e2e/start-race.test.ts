/** start and rm of one container at the same time: one command does it, the others wait and say how it came out. */
import { expect } from "bun:test";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createBox } from "../support/boxes.ts";
import { leftovers, processesOf } from "../support/leaks.ts";
import { program, registryPrograms, testWith } from "../support/requirements.ts";
import { sharedWorld } from "../support/shared-world.ts";
import { until } from "../support/wait.ts";
import { tspodFile } from "../support/world.ts";

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

/** Takes its time: until `go` is there. */
const slowRuntime = (asked: string, go: string): string => `#!/bin/sh
: > ${asked}
while ! [ -e ${go} ]; do sleep 0.01; done
exec runc "$@"
`;

// the first before it looks whether the container runs, the second after
for (const call of ["unlink", "unlinkat"]) {
  testWith(
    ...registryPrograms,
    program("runc"),
    program("strace"),
  )(
    `what a killed run goes on to start goes, though it runs when rm is at its first ${call}`,
    async () => {
      const { world } = shared;
      const [runtime = "", asked = "", go = ""] = ["slow-runc", "asked", "go"].map((name) =>
        join(world.home, `${name}-${call}`),
      );
      writeFileSync(runtime, slowRuntime(asked, go), { mode: 0o755 });
      const words = ["--runtime", runtime, "--name", "late", "tiny", "sleep", "1000"];
      const run = world.start(["run", "-d", ...words]);
      await until("the runtime has been asked", () => existsSync(asked));
      run.kill("SIGKILL");
      await run.exited;
      const inject = `inject=${call}:delay_enter=2s:when=1`;
      const trace = ["strace", "-qq", "-o", "/dev/null", "-e", `trace=${call}`, "-e", inject];
      const remove = Bun.spawn([...trace, tspodFile, "rm", "-f", "late"], {
        env: world.environment,
        stdio: ["ignore", "ignore", "inherit"],
      });
      const hasRow = (): boolean =>
        leftovers(world.root).some((line) => line.startsWith("row of container"));
      await until("its row is gone", () => !hasRow()); // another command would remove the rest
      writeFileSync(go, "");
      expect(await remove.exited).toBe(0);
      await until("nobody is left", () => leftovers(world.root).length === 0);
    },
  );
}
