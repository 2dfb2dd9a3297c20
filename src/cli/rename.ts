/** `tspod rename`. */
import { getContainer } from "../container/index.ts";
import { renameContainer } from "../container/rename.ts";
import { defineCommand } from "./command.ts";

export default defineCommand({
  path: ["rename"],
  usage: "CONTAINER NAME",
  summary: "Give a container another name",
  flags: {},
  args: { min: 2, max: 2, completes: "container" },
  async run(context, _, [name = "", wanted = ""]) {
    await renameContainer(context, getContainer(context, name), wanted);
    return 0;
  },
});
