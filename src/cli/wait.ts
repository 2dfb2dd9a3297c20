/** `tspod wait`. */
import { getContainer } from "../container/index.ts";
import { parseWaitCondition, waitConditions, waitFor } from "../container/wait.ts";
import { TspodError } from "../errors.ts";
import { parseDuration } from "../lib/duration.ts";
import { defineCommand } from "./command.ts";
import { printFailure } from "./failure.ts";
import { boolean, list, value } from "./flags.ts";
import { cidfileFlag, latestFlag, longFilterFlag, selectContainers } from "./options/selection.ts";
import { print } from "./output/print.ts";

export default defineCommand({
  path: ["wait"],
  usage: "CONTAINER [CONTAINER...]",
  summary: "Wait until containers end, and print their exit codes",
  flags: {
    condition: list(
      "--condition",
      "STATE",
      "Wait for this instead; any of several",
      waitConditions,
    ),
    ignore: boolean("--ignore", "One that is not there is no error: -1"),
    interval: value(
      "-i,--interval",
      "TIME",
      "Accepted: we are told, and do not ask time and again",
    ),
    exitFirstMatch: boolean("--exit-first-match", "With several containers: the first one will do"),
    cidfile: cidfileFlag,
    filter: longFilterFlag,
    latest: latestFlag,
  },
  args: { min: 0, max: Infinity, completes: "container" },
  async run(context, flags, args) {
    const asked = flags.condition.flatMap((text) => text.split(","));
    const wanted = (asked.length === 0 ? ["not-running"] : asked).map(parseWaitCondition);
    if (flags.interval !== null && !/^\d+$/.test(flags.interval)) {
      parseDuration(flags.interval, "--interval");
    }
    const names = await selectContainers(context, { ...flags, args, command: "tspod wait" });
    // all at once: the end of a container with --rm is not to be missed while we wait for another
    const waits = names.map((name) => {
      const work = async (): Promise<string> => {
        try {
          const found = getContainer(context, name);
          return String(await waitFor(context, found, wanted, context.signal));
        } catch (error) {
          const isGone = error instanceof TspodError && error.code === "container.not_found";
          if (flags.ignore && isGone) return "-1";
          throw error;
        }
      };
      return work();
    });
    for (const wait of waits) wait.catch(() => {}); // told below, in order
    if (flags.exitFirstMatch && waits.length > 0) {
      // one that is not there fails at once, and all of it
      await print(`${await Promise.race(waits)}\n`);
      return 0;
    }
    let worst = 0;
    for (const wait of waits) {
      try {
        await print(`${await wait}\n`);
      } catch (error) {
        worst = Math.max(worst, printFailure(error, context));
      }
    }
    return worst;
  },
});
