/** The README's tour works as it is written: every block marked `sh run` is typed into one shell, in order. */
import { expect } from "bun:test";
import { symlinkSync } from "node:fs";
import { join } from "node:path";
import { registryPrograms, testWith } from "../support/requirements.ts";
import { readProjectFile } from "../support/tree.ts";
import { makeWorld, tspodFile } from "../support/world.ts";

const test = testWith(...registryPrograms);

/** What must be seen on the way, in this order: the tour says these things happen. */
const landmarks = [
  "Hello from inside a container.",
  "HELLO",
  "written inside",
  "status 7",
  /^[0-9a-f]{64}$/m,
  /^CONTAINER ID .*\n.*Up .*web$/m,
  "hi",
  "sleep 1000",
  "nobody",
  "/scratch",
  /^REPOSITORY .*\n[^]*^alpine /m,
  process.arch === "x64" ? "amd64" : "arm64",
];

test("the README's tour", async () => {
  await using world = await makeWorld();
  symlinkSync(tspodFile, join(world.home, "tspod"));
  const tour = [...readProjectFile("README.md").matchAll(/^```sh run\n([^]*?)^```$/gm)];
  expect(tour.length).toBeGreaterThan(3);
  const script = tour.map(([, commands]) => commands).join("\n");
  const child = Bun.spawn(["bash", "-eu", "-o", "pipefail", "-c", script], {
    cwd: world.home,
    env: { ...world.environment, PATH: `${world.home}:${world.environment.PATH}` },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  expect({ exitCode: await child.exited, stderr }).toEqual({
    exitCode: 0,
    stderr: expect.not.stringContaining("Error"),
  });
  let rest = stdout;
  for (const landmark of landmarks) {
    expect(rest).toMatch(landmark);
    const at = rest.search(landmark instanceof RegExp ? landmark : RegExp(landmark));
    rest = rest.slice(at);
  }
});

test("README's commands exist in package.json", () => {
  const scripts = JSON.parse(readProjectFile("package.json")).scripts as Record<string, string>;
  const named = [...readProjectFile("README.md").matchAll(/npm run ([\w:]+)/g)].map(
    ([, name]) => name,
  );
  expect(named.length).toBeGreaterThan(2);
  expect(named.filter((name) => !((name ?? "") in scripts))).toEqual([]);
});
