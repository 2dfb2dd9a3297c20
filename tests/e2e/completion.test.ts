/** Completion in the shipped file: the committed scripts are what it prints. How soon an answer comes is the benchmark's. */
import { describe, expect } from "bun:test";
import { readProjectFile } from "../support/tree.ts";
import { registryPrograms, testWith } from "../support/requirements.ts";
import { sharedWorld } from "../support/shared-world.ts";

const test = testWith(...registryPrograms);
const shared = sharedWorld({ images: ["tiny", "configured"] });

describe("completion", () => {
  test.each([
    ["bash", "tspod.bash"],
    ["zsh", "_tspod"],
    ["fish", "tspod.fish"],
  ])("completions/ has what `completion %s` prints", async (shell, file) => {
    const printed = await shared.world.ok("completion", shell);
    expect(`${printed}\n`).toBe(readProjectFile(`completions/${file}`));
  });

  test("names of containers and images", async () => {
    const { world } = shared;
    await world.ok("create", "--name", "unmistakable", "tiny", "true");
    expect(await world.ok("__complete", "--", "logs", "unmist")).toContain("unmistakable");
    expect(await world.ok("__complete", "--", "run", "conf")).toContain("configured");
    await world.ok("rm", "unmistakable");
  });
});
