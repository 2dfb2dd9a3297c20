/** Completion: what a shell is offered, how fast, and that the committed files are what the program prints. */
import { describe, expect } from "bun:test";
import { readProjectFile } from "../support/tree.ts";
import { program, registryPrograms, testWith } from "../support/requirements.ts";
import { sharedWorld } from "../support/shared-world.ts";
import { atShell } from "../support/terminal.ts";
import { tspodFile } from "../support/world.ts";

const test = testWith(...registryPrograms);
const shared = sharedWorld({ images: ["tiny", "configured"] });
const files = { bash: "tspod.bash", zsh: "_tspod", fish: "tspod.fish" };

describe("completion", () => {
  test.each(Object.entries(files))(
    "completions/ has what `completion %s` prints",
    async (shell, file) => {
      expect(`${await shared.world.ok("completion", shell)}\n`).toBe(
        readProjectFile(`completions/${file}`),
      );
    },
  );

  testWith(...registryPrograms, program("bash"))(
    "bash takes the script and completes with it",
    async () => {
      const { world } = shared;
      await world.ok("create", "--name", "unmistakable", "tiny", "true");
      await using session = atShell(world);
      await session.sees("ready> ");
      session.type(`ln -s ${tspodFile} tspod; PATH=$PWD:$PATH; source <(tspod completion bash)\r`);
      await session.sees("ready> ");
      session.type("tspod logs unmist\t");
      await session.sees("unmistakable");
      session.type("\x15tspod run --rm conf\t");
      await session.sees("configured");
      session.type("\x15tspod run --entry\t");
      await session.sees("--entrypoint");
      session.type("\x15tspod vers\t");
      await session.sees("version");
      session.type("\x15exit\r");
      await session.exit();
      await world.ok("rm", "unmistakable");
    },
  );
});
