/** `tspod rm`. */
import { getContainer } from "../container/index.ts";
import { removeContainer } from "../container/remove.ts";
import { TspodError } from "../errors.ts";
import { defineCommand } from "./command.ts";
import { forEachArgument } from "./each.ts";
import { boolean, value } from "./flags.ts";
import { parseSeconds } from "./options/seconds.ts";
import {
  cidfileFlag,
  ignoreFlag,
  latestFlag,
  longFilterFlag,
  selectContainers,
} from "./options/selection.ts";

export default defineCommand({
  path: ["rm"],
  usage: "CONTAINER [CONTAINER...]",
  summary: "Remove containers",
  flags: {
    force: boolean("-f,--force", "Kill those that run; one that is not there is no error"),
    all: boolean("-a,--all", "Every container"),
    volumes: boolean("-v,--volumes", "Also remove their anonymous volumes"),
    depend: boolean("--depend", "Also those that depend on it"),
    time: value(
      "-t,--time,--timeout",
      "SECONDS",
      "With -f: ask it to stop, and kill it after this",
    ),
    ignore: ignoreFlag,
    cidfile: cidfileFlag,
    filter: longFilterFlag,
    latest: latestFlag,
  },
  args: { min: 0, max: Infinity, completes: "container" },
  refused: { "--link": "containers find each other by name on a network: there are no links" },
  async run(context, flags, args) {
    if (flags.time !== null && !flags.force) {
      throw new TspodError("usage", "--time says how long to wait before the kill of --force", {
        next: "add --force, or stop it first: tspod stop -t SECONDS CONTAINER",
      });
    }
    const names = await selectContainers(context, { ...flags, args, command: "tspod rm" });
    const patience =
      flags.time === null ? {} : { timeoutMs: parseSeconds("--time", flags.time, 0) };
    const volumes = flags.volumes ? { volumes: true } : {};
    const options = { force: flags.force, withDependants: flags.depend, ...volumes, ...patience };
    const mayBeGone = flags.force || flags.ignore || flags.all || flags.filter.length > 0;
    const gone = new Set<string>();
    return forEachArgument(
      context,
      names,
      async (name) => {
        if (gone.has(name)) return name; // it went with another one
        try {
          const container = getContainer(context, name);
          for (const id of await removeContainer(context, container, options)) gone.add(id);
        } catch (error) {
          const isGone = error instanceof TspodError && error.code === "container.not_found";
          if (!(mayBeGone && isGone)) throw error;
        }
        return name;
      },
      exitCodes,
    );
  },
});

/** Podman's: which of the two it was, when it was nothing else. */
const exitCodes = { "container.not_found": 1, "container.running": 2 } as const;
