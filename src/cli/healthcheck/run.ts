/** `tspod healthcheck run`: one health check now. */
import { checkHealth, getContainer } from "../../container/index.ts";
import { defineCommand } from "../command.ts";
import { boolean } from "../flags.ts";
import { print } from "../output/print.ts";

export default defineCommand({
  path: ["healthcheck", "run"],
  usage: "CONTAINER",
  summary: "Ask a container how it is: 0 well, 1 not",
  flags: {
    ignoreResult: boolean("--ignore-result", "0 also when it is not well"),
  },
  args: { min: 1, max: 1, completes: "running" },
  async run(context, flags, [name = ""]) {
    const found = await checkHealth(context, getContainer(context, name));
    if (found === "healthy") return 0;
    await print(`${found}\n`);
    return flags.ignoreResult ? 0 : 1;
  },
});
