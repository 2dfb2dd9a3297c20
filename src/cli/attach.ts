/** `tspod attach`. */
import { attachContainer, getContainer, getLatest } from "../container/index.ts";
import { defineCommand } from "./command.ts";
import { boolean, value } from "./flags.ts";
import { signalFlag, stayUntilItEnds } from "./foreground.ts";
import { latestFlag, refuseRest, takeContainer } from "./options/selection.ts";
import { defaultDetachKeys, parseDetachKeys } from "./options/detach-keys.ts";

export default defineCommand({
  path: ["attach"],
  usage: "CONTAINER",
  summary: "Stay with a running container: its output here, our input there",
  flags: {
    latest: latestFlag,
    noStdin: boolean("--no-stdin", "Do not forward standard input"),
    detachKeys: value("--detach-keys", "KEYS", `Keys that leave it running (${defaultDetachKeys})`),
    sigProxy: signalFlag,
  },
  args: { min: 0, max: 1, completes: "running" },
  async run(context, flags, args) {
    const asked = { latest: flags.latest, command: "tspod attach", usage: "CONTAINER" };
    const { name, rest } = takeContainer(args, asked);
    refuseRest("tspod attach", rest);
    const container = name === null ? getLatest(context) : getContainer(context, name);
    const helper = attachContainer(context, container, {
      stdin: !flags.noStdin,
      detachKeys: parseDetachKeys(flags.detachKeys ?? defaultDetachKeys),
      sigProxy: flags.sigProxy,
      passthrough: false,
    });
    return stayUntilItEnds(context, container, helper, flags);
  },
});
