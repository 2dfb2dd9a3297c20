/** `tspod run`: create, start, and stay until it ends unless detached. */
import {
  createContainer,
  discardContainer,
  findContainer,
  loadDiscardImage,
  loadRequires,
  removeContainer,
  startOwn,
} from "../container/index.ts";
import { TspodError } from "../errors.ts";
import { type ContainerRecord, isUp } from "../store/containers.ts";
import type { Attach, RunningHelper } from "../helper/index.ts";
import { type CliContext, defineCommand } from "./command.ts";
import { boolean, list, value } from "./flags.ts";
import { forwardSignals, requireTerminal, signalFlag } from "./foreground.ts";
import { openCidfile } from "./options/cidfile.ts";
import { containerFlags, createOptions, parseEnsure } from "./options/container.ts";
import { mutedStreams, requireStreams, streamNames } from "./options/streams.ts";
import { defaultDetachKeys, parseDetachKeys } from "./options/detach-keys.ts";
import { preservedDescriptors, preservedFlags, requirePreserved } from "./options/preserved.ts";
import { refusedFlags } from "./options/refused.ts";
import { print } from "./output/print.ts";
import { showPullProgress } from "./output/pull-progress.ts";

const flags = {
  ...containerFlags,
  attach: list("-a,--attach", "STREAM", "Only these: stdin, stdout, stderr", streamNames),
  detach: boolean("-d,--detach", "Run in the background and print the container's id"),
  rmi: boolean("--rmi", "The same, and its image, unless another container stands on it"),
  detachKeys: value("--detach-keys", "KEYS", `Keys that leave it running (${defaultDetachKeys})`),
  sigProxy: signalFlag,
  ...preservedFlags,
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
  refused: refusedFlags,
  check: (flags) => {
    requirePreserved(flags);
    requireStreams(flags);
    if (flags.rmi && flags.rootfs) {
      throw new TspodError("usage", "Cannot combine --rmi with --rootfs: there is no image", {
        next: "leave one of them away",
      });
    }
  },
  async run(context, flags, args) {
    const passed = preservedDescriptors(flags);
    const muted = mutedStreams(flags.attach);
    const options = await createOptions(
      {
        ...flags,
        interactive: flags.interactive || flags.attach.includes("stdin"),
        rm: flags.rm || flags.rmi,
      },
      args,
      context.environment,
    );
    if (flags.rmi) options.removesImage = true;
    if (options.tty && options.interactive && !flags.detach) await requireTerminal();
    const attach: Attach | null = flags.detach
      ? null
      : {
          stdin: options.interactive && !muted.includes("stdin"),
          detachKeys: parseDetachKeys(flags.detachKeys ?? defaultDetachKeys),
          sigProxy: flags.sigProxy,
          // without a name or an id in a file nobody else can ask for its log
          passthrough:
            options.autoRemove &&
            options.life === undefined &&
            !options.tty &&
            options.name === null &&
            flags.cidfile === null,
        };
    if (!flags.quiet) showPullProgress(context);
    const cidfile = openCidfile(flags.cidfile);
    let container: ContainerRecord | undefined;
    let helper: RunningHelper;
    try {
      const created = await createContainer(context, options, await parseEnsure(flags));
      container = created.record;
      cidfile.write(container.id);
      if (options.requires !== undefined) {
        await (await loadRequires()).startRequired(context, container);
      }
      helper = startOwn(context, container, attach, passed, muted);
      if (attach?.sigProxy === true) forwardSignals(helper);
      await helper.started;
      await created.written;
    } catch (error) {
      // nothing stays: the same command typed right has the name to itself
      cidfile.discard();
      if (container !== undefined) await undo(context, container);
      throw error;
    }
    if (attach === null) {
      await print(`${container.id}\n`);
      return 0;
    }
    const code = await helper.ended;
    if (code !== null && options.autoRemove) {
      await Promise.all([discardContainer(context, container), helper.left]);
      if (flags.rmi) await (await loadDiscardImage()).discardImage(context, options.image);
    }
    return code ?? 0;
  },
});

async function undo(context: CliContext, { id }: ContainerRecord): Promise<void> {
  const made = findContainer(context, id);
  if (made === null || !isUp(made.state)) return discardContainer(context, { id });
  // it runs, but the disk could not keep it
  await removeContainer(context, made, { force: true, volumes: true });
}
