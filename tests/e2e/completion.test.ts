/** Completion in the shipped file: the committed scripts are what it prints, and an answer comes while one types. */
import { describe, expect } from "bun:test";
import { readProjectFile } from "../support/tree.ts";
import { registryPrograms, testWith } from "../support/requirements.ts";
import { sharedWorld } from "../support/shared-world.ts";

const test = testWith(...registryPrograms);
const shared = sharedWorld({ images: ["tiny", "configured"] });
const answerMaxMs = 50;

describe("completion", () => {
  test.each([
    ["bash", "tspod.bash"],
    ["zsh", "_tspod"],
    ["fish", "tspod.fish"],
  ])("completions/ has what `completion %s` prints", async (shell, file) => {
    const printed = await shared.world.ok("completion", shell);
    expect(`${printed}\n`).toBe(readProjectFile(`completions/${file}`));
  });

  test(`names of containers and images come in under ${answerMaxMs} ms`, async () => {
    const { world } = shared;
    await world.ok("create", "--name", "unmistakable", "tiny", "true");
    const times: number[] = [];
    for (let attempt = 0; attempt < 11; attempt += 1) {
      const started = performance.now();
      const container = await world.ok("__complete", "--", "logs", "unmist");
      times.push(performance.now() - started);
      expect(container).toContain("unmistakable");
    }
    expect(await world.ok("__complete", "--", "run", "conf")).toContain("configured");
    expect(times.sort((a, b) => a - b)[5]).toBeLessThan(answerMaxMs);
    await world.ok("rm", "unmistakable");
  });
});
