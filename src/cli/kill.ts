/** `tspod kill`. */
import { getContainer, killContainer } from "../container/index.ts";
import { parseSignal } from "../spec/index.ts";
import { defineCommand } from "./command.ts";
import { forEachArgument } from "./each.ts";
import { value } from "./flags.ts";

export default defineCommand({
  path: ["kill"],
  usage: "CONTAINER [CONTAINER...]",
  summary: "Send a signal to running containers, SIGKILL by default",
  flags: { signal: value("-s,--signal", "SIGNAL", "Name or number", "signal") },
  args: { min: 1, max: Infinity, completes: "running" },
  async run(context, flags, args) {
    const signal = parseSignal(flags.signal ?? "KILL");
    return forEachArgument(context, args, async (name) => {
      await killContainer(context, getContainer(context, name), signal);
      return name;
    });
  },
});
