/** What a power cut or somebody's editor has left of a container's files: commands say which, and rm takes the rest. */
import { expect } from "bun:test";
import { rmSync, truncateSync } from "node:fs";
import { registryPrograms, testWith } from "../support/requirements.ts";
import { sharedWorld } from "../support/shared-world.ts";

const test = testWith(...registryPrograms);
const shared = sharedWorld({ images: ["tiny"] });

for (const name of ["config.json", "helper.json"]) {
  test(`an empty ${name}`, async () => {
    const { world } = shared;
    const id = await world.ok("create", "--name", "broken", "tiny", "true");
    truncateSync(`${world.root}/data/containers/${id}/${name}`, 0);
    for (const words of [["start"], ["start", "-a"], ["restart"], ["inspect"]]) {
      const { exitCode: code, stdout, stderr } = await world.tspod([...words, "broken"]);
      expect({ words, code, stdout: stdout.replace("[]", "").trim() }).toEqual({
        words,
        code: 125,
        stdout: "",
      });
      expect(stderr).toContain(name);
      expect(stderr).not.toContain("a fault of tspod");
    }
    expect(await world.ok("ps", "-aq", "--no-trunc")).toBe(id);
    await world.ok("rm", "broken");
  });
}

test("no directory at all", async () => {
  const { world } = shared;
  const id = await world.ok("create", "--name", "broken", "tiny", "true");
  rmSync(`${world.root}/data/containers/${id}`, { recursive: true });
  const { exitCode, stderr } = await world.tspod(["start", "broken"]);
  expect(exitCode).toBe(125);
  expect(stderr).toContain("removed");
  await world.ok("rm", "-f", "broken");
  expect(await world.ok("ps", "-aq")).toBe("");
});
