/** `tspod completion`: the script that teaches a shell to complete tspod. */
import { TspodError } from "../errors.ts";
import { defineCommand } from "./command.ts";
import { completionScripts } from "./completion/scripts.ts";
import { print } from "./output/print.ts";

export default defineCommand({
  path: ["completion"],
  usage: "bash|zsh|fish",
  summary: "Print a script that completes tspod's commands, flags and names",
  examples: [["In ~/.bashrc", "source <(tspod completion bash)"]],
  flags: {},
  args: { min: 1, max: 1, completes: "shell" },
  usesStore: false,
  async run(_, __, [shell = ""]) {
    const script = Object.entries(completionScripts).find(([name]) => name === shell)?.[1];
    if (script === undefined) {
      throw new TspodError("usage", `Unknown shell "${shell}"`, { next: "bash, zsh or fish" });
    }
    await print(script);
    return 0;
  },
});
