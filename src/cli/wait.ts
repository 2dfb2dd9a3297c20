/** `tspod wait`. */
import { getContainer, isUp, waitContainer } from "../container/index.ts";
import { defineCommand } from "./command.ts";
import { forEachArgument } from "./each.ts";

export default defineCommand({
  path: ["wait"],
  usage: "CONTAINER [CONTAINER...]",
  summary: "Wait until containers end, and print their exit codes",
  flags: {},
  args: { min: 1, max: Infinity, completes: "container" },
  async run(context, _, args) {
    return forEachArgument(context, args, async (name) => {
      const container = getContainer(context, name);
      const answered = isUp(container.state) ? await waitContainer(context, container.id) : null;
      if (answered !== null) return String(answered);
      // it had ended already, or did so before we could ask
      const { state } = getContainer(context, container.id);
      return state.status === "exited" ? String(state.exitCode) : "0";
    });
  },
});
