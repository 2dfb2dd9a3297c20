/** `tspod unshare`. */
import { TspodError } from "../errors.ts";
import { becomeRootInside } from "../helper/index.ts";
import { defineCommand } from "./command.ts";

export default defineCommand({
  path: ["unshare"],
  usage: "[COMMAND [ARG...]]",
  summary: "Run a command, or a shell, as root of the user namespace that containers live in",
  examples: [
    ["See a volume's files with the owners that containers see", "tspod unshare ls -l DIRECTORY"],
  ],
  flags: {},
  args: { min: 0, max: Infinity, completes: "none", stopsAtFirst: true },
  refused: {
    "--rootless-netns":
      "each container has a network of its own, there is none that all of them share",
  },
  async run(context, _flags, args) {
    if (process.getuid?.() === 0) {
      throw new TspodError("usage", 'Cannot run "tspod unshare" as root', {
        next: "run the command itself: to root, a container's files are what they are",
      });
    }
    const { environment, helper, mapping } = context;
    const words = args.length > 0 ? args : [environment.SHELL ?? "/bin/sh"];
    becomeRootInside(helper, mapping, words, environment);
    throw new TspodError("internal", `Cannot start "${helper[0]}"`);
  },
});
