/** `tspod start`. */
import { discardContainer, getContainer, startContainer } from "../container/index.ts";
import { TspodError } from "../errors.ts";
import type { CreateOptions } from "../spec/index.ts";
import { defineCommand } from "./command.ts";
import { forEachArgument } from "./each.ts";
import { boolean, value } from "./flags.ts";
import { forwardSignals } from "./foreground.ts";
import { defaultDetachKeys, parseDetachKeys } from "./options/detach-keys.ts";

export default defineCommand({
  path: ["start"],
  usage: "CONTAINER [CONTAINER...]",
  summary: "Start containers that have been created or have ended",
  flags: {
    attach: boolean("-a,--attach", "Stay with it until it ends"),
    interactive: boolean("-i,--interactive", "Forward standard input; implies -a"),
    detachKeys: value("--detach-keys", "KEYS", `Keys that leave it running (${defaultDetachKeys})`),
  },
  args: { min: 1, max: Infinity, completes: "container" },
  async run(context, flags, args) {
    if (!flags.attach && !flags.interactive) {
      return forEachArgument(context, args, async (name) => {
        const container = getContainer(context, name);
        if (container.state.status !== "running") {
          await startContainer(context, container, null).started;
        }
        return name;
      });
    }
    const [name = "", other] = args;
    if (other !== undefined) {
      throw new TspodError("usage", "Cannot stay with more than one container", {
        next: "start one with -a, the others without",
      });
    }
    const container = getContainer(context, name);
    const options = container.options as CreateOptions; // create recorded it
    const helper = startContainer(context, container, {
      stdin: flags.interactive && options.interactive,
      detachKeys: parseDetachKeys(flags.detachKeys ?? defaultDetachKeys),
      sigProxy: true,
      passthrough: false,
    });
    forwardSignals(helper);
    await helper.started;
    const code = await helper.ended;
    if (code !== null && container.autoRemove) await discardContainer(context, container);
    return code ?? 0;
  },
});
