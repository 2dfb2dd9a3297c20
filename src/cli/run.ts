/** `tspod run`: create, start, and stay until it ends unless detached. */
import { writeFileSync } from "node:fs";
import { isatty } from "node:tty";
import {
  createContainer,
  removeContainer,
  startContainer,
  getContainer,
} from "../container/index.ts";
import { TspodError } from "../errors.ts";
import type { Attach, RunningHelper } from "../helper/index.ts";
import { defineCommand } from "./command.ts";
import { boolean, value } from "./flags.ts";
import { forgetContainer, followToEnd } from "./foreground.ts";
import { containerFlags, createOptions, parseEnsure } from "./options/container.ts";
import { defaultDetachKeys, parseDetachKeys } from "./options/detach-keys.ts";
import { print } from "./output/print.ts";
import { showPullProgress } from "./output/pull-progress.ts";

const flags = {
  ...containerFlags,
  detach: boolean("-d,--detach", "Run in the background and print the container's id"),
  detachKeys: value("--detach-keys", "KEYS", `Keys that leave it running (${defaultDetachKeys})`),
  sigProxy: boolean("--sig-proxy", "Forward signals to the container (always on)"),
} as const;

export default defineCommand({
  path: ["run"],
  usage: "IMAGE [COMMAND [ARG...]]",
  summary: "Create a container and run a command in it",
  examples: [
    ["A shell in Alpine, gone when you leave it", "tspod run -it --rm alpine sh"],
    ["In the background, with a name", "tspod run -d --name web alpine sleep 1000"],
  ],
  flags,
  args: { min: 1, max: Infinity, completes: "image", stopsAtFirst: true },
  async run(context, flags, args) {
    const options = createOptions(flags, args, context.environment);
    if (options.tty && options.interactive && !flags.detach && !isatty(0)) {
      throw new TspodError("usage", "-t needs a terminal, and standard input is not one", {
        next: "leave -t away, or run it from a terminal",
      });
    }
    showPullProgress(context);
    const container = await createContainer(context, options, parseEnsure(flags));
    writeCidfile(flags.cidfile, container.id);
    const attach: Attach | null = flags.detach
      ? null
      : {
          stdin: options.interactive,
          detachKeys: parseDetachKeys(flags.detachKeys ?? defaultDetachKeys),
          sigProxy: true,
          passthrough: options.autoRemove && !options.tty,
        };
    let helper: RunningHelper;
    try {
      helper = startContainer(context, container, attach);
      await helper.started;
    } catch (error) {
      // nothing has run, so nothing stays: the same command typed right has the name to itself
      await removeContainer(context, getContainer(context, container.id), { force: true });
      throw error;
    }
    if (attach === null) {
      await print(`${container.id}\n`);
      return 0;
    }
    const code = await followToEnd(helper);
    if (code !== null && options.autoRemove) await forgetContainer(context, container.id);
    return code ?? 0;
  },
});

/** docker refuses to overwrite the file, which may name a container that still runs. */
function writeCidfile(path: string | null, id: string): void {
  if (path === null) return;
  writeFileSync(path, id, { flag: "wx" });
}
