/** Completion: what a shell is offered, how fast, and that the committed files are what the program prints. */
import { describe, expect } from "bun:test";
import { readProjectFile, treeRoot } from "../support/tree.ts";
import { program, registryPrograms, testWith } from "../support/requirements.ts";
import { sharedWorld } from "../support/shared-world.ts";
import { atShell } from "../support/terminal.ts";
import { tspodFile } from "../support/world.ts";

const test = testWith(...registryPrograms);
const shared = sharedWorld({ images: ["tiny", "configured"] });
const files = { bash: "tspod.bash", zsh: "_tspod", fish: "tspod.fish" };

const interactive = [
  {
    shell: "bash",
    command: ["bash", "--norc", "--noprofile", "-i"],
    load: "PATH=$PWD:$PATH; source <(tspod completion bash)",
  },
  {
    shell: "zsh",
    command: ["zsh", "-f", "-i"],
    load: "PATH=$PWD:$PATH; autoload -U compinit; compinit -u; source <(tspod completion zsh)",
  },
  {
    shell: "fish",
    command: ["fish", "--no-config", "-i", "-C", "function fish_prompt; echo -n 'ready> '; end"],
    load: "set PATH $PWD $PATH; tspod completion fish | source",
  },
];

/** What is typed before the tab key, and what it becomes. */
const completions: [string, string][] = [
  ["tspod logs unmist", "unmistakable"],
  ["tspod run --rm confi", "configured"],
  ["tspod run --entry", "--entrypoint"],
  ["tspod versi", "version"],
];

describe("completion", () => {
  test.each(Object.entries(files))(
    "completions/ has what `completion %s` prints",
    async (shell, file) => {
      expect(`${await shared.world.ok("completion", shell)}\n`).toBe(
        readProjectFile(`completions/${file}`),
      );
    },
  );

  test("bash, zsh and fish accept their scripts", async () => {
    for (const [shell, file] of Object.entries(files)) {
      if (Bun.which(shell) === null) continue; // the next test says so
      const check = await Bun.$`${shell} -n completions/${file}`.cwd(treeRoot).nothrow().quiet();
      expect(`${shell}: ${check.stderr}`).toBe(`${shell}: `);
    }
  });

  // the best of several: a busy machine makes an answer late, not the program
  test.each<[string, string[]]>([
    ["a command", [""]],
    ["an image", ["run", ""]],
    ["a container", ["rm", ""]],
    ["a flag", ["run", "--"]],
  ])("is asked for %s and answers in less than 50 ms", async (_, typed) => {
    const { world } = shared;
    expect(await world.ok("__complete", "--", ...typed)).toStartWith("words");
    const taken: number[] = [];
    for (let round = 0; round < 10; round++) {
      const start = performance.now();
      await world.ok("__complete", "--", ...typed);
      taken.push(performance.now() - start);
    }
    expect(Math.min(...taken)).toBeLessThan(50);
  });

  for (const { shell, command, load } of interactive) {
    testWith(...registryPrograms, program(shell))(`${shell} completes with it`, async () => {
      const { world } = shared;
      await world.ok("create", "--name", "unmistakable", "tiny", "true");
      await using session = atShell(world, command);
      await session.sees("ready> ");
      session.type(`ln -sf ${tspodFile} tspod; ${load}; echo lo''aded\r`);
      await session.sees("loaded");
      await session.sees("ready> ");
      for (const [typed, seen] of completions) {
        session.type(`${typed}\t`);
        await session.sees(seen);
        session.type("\x15");
      }
      await world.ok("rm", "unmistakable");
    });
  }
});
