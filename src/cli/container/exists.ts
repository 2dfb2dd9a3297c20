/** `tspod exists`: an answer by the exit code, for scripts. */
import { getContainer } from "../../container/index.ts";
import { TspodError } from "../../errors.ts";
import { defineCommand } from "../command.ts";
import { boolean } from "../flags.ts";

export default defineCommand({
  path: ["container", "exists"],
  usage: "CONTAINER",
  summary: "Say by the exit code whether there is such a container: 0 yes, 1 no",
  flags: { external: boolean("--external", "Accepted: there are only containers of tspod here") },
  args: { min: 1, max: 1, completes: "container" },
  async run(context, _, [name = ""]) {
    try {
      getContainer(context, name);
      return 0;
    } catch (error) {
      if (error instanceof TspodError && error.code === "container.not_found") return 1;
      throw error;
    }
  },
});
