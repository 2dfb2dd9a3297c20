/** `tspod start`. */
import {
  attachContainer,
  type Container,
  getContainer,
  isRestartable,
  isUp,
  listContainers,
  startContainer,
} from "../container/index.ts";
import { TspodError } from "../errors.ts";
import type { CreateOptions } from "../spec/index.ts";
import { type CliContext, defineCommand } from "./command.ts";
import { forEachArgument } from "./each.ts";
import { boolean, type FlagValues, list, value } from "./flags.ts";
import { signalFlag, stayUntilItEnds } from "./foreground.ts";
import { defaultDetachKeys, parseDetachKeys } from "./options/detach-keys.ts";

const flags = {
  attach: boolean("-a,--attach", "Stay with it until it ends"),
  interactive: boolean("-i,--interactive", "Forward standard input; implies -a"),
  all: boolean("--all", "Every container that does not run"),
  allRestartable: boolean(
    "--all-restartable",
    "Those that should run by their --restart, as after a reboot",
  ),
  filter: list("-f,--filter", "KEY=VALUE", "Of all: name, id, label, status, ancestor..."),
  latest: boolean("-l,--latest", "The one that was created last"),
  detachKeys: value("--detach-keys", "KEYS", `Keys that leave it running (${defaultDetachKeys})`),
  sigProxy: signalFlag,
} as const;

type Flags = FlagValues<typeof flags>;

export default defineCommand({
  path: ["start"],
  usage: "[CONTAINER...]",
  summary: "Start containers that have been created or have ended",
  flags,
  args: { min: 0, max: Infinity, completes: "container" },
  refused: {
    "--checkpoint": "there are no checkpoints",
    "--checkpoint-dir": "there are no checkpoints",
  },
  async run(context, flags, args) {
    const names = await chosen(context, flags, args);
    if (flags.attach || flags.interactive) return stayWith(context, flags, names);
    return forEachArgument(context, names, async (name) => {
      const container = getContainer(context, name);
      if (!isUp(container.state)) await startDetached(context, container);
      return name;
    });
  },
});

/** That somebody else was faster is as good. */
async function startDetached(context: CliContext, container: Container): Promise<void> {
  try {
    await (
      await startContainer(context, container, null)
    ).started;
  } catch (error) {
    const isRunning = error instanceof TspodError && error.code === "container.running";
    if (!isRunning) throw error;
  }
}

/** Names, or what the flags choose: oldest first, for a later one may share what an earlier one has. */
async function chosen(context: CliContext, flags: Flags, args: string[]): Promise<string[]> {
  const { all, allRestartable, filter, latest } = flags;
  const isChoosing = all || allRestartable || filter.length > 0 || latest;
  if (isChoosing === args.length > 0) {
    throw new TspodError(
      "usage",
      isChoosing
        ? "Cannot name containers and choose them by flags"
        : '"tspod start" needs a container',
      { next: "name some, or use --all, --all-restartable, --filter or --latest" },
    );
  }
  if (!isChoosing) return args;
  const matches = await filterOf(context, filter);
  const found = listContainers(context).filter(matches);
  const wanted = latest
    ? found.slice(0, 1)
    : found.filter((one) => (allRestartable ? isRestartable(one) : !isUp(one.state)));
  return wanted.map(({ id }) => id).reverse();
}

async function filterOf(
  context: CliContext,
  texts: readonly string[],
): Promise<(container: Container) => boolean> {
  if (texts.length === 0) return () => true;
  return (await import("../container/filters.ts")).containerFilter(context, texts);
}

async function stayWith(context: CliContext, flags: Flags, names: string[]): Promise<number> {
  const [name = "", other] = names;
  if (other !== undefined) {
    throw new TspodError("usage", "Cannot stay with more than one container", {
      next: "start one with -a, the others without",
    });
  }
  const container = getContainer(context, name);
  const options = container.options as CreateOptions; // create recorded it
  const helper = await startOrJoin(context, container, {
    stdin: flags.interactive && options.interactive,
    detachKeys: parseDetachKeys(flags.detachKeys ?? defaultDetachKeys),
    sigProxy: flags.sigProxy,
    passthrough: false,
  });
  return stayUntilItEnds(context, container, helper, flags);
}

/** Docker's and podman's: what runs already is attached to. */
async function startOrJoin(
  context: CliContext,
  container: Container,
  attach: Parameters<typeof attachContainer>[2],
): ReturnType<typeof startContainer> {
  try {
    return await startContainer(context, container, attach);
  } catch (error) {
    const isRunning = error instanceof TspodError && error.code === "container.running";
    if (!isRunning) throw error;
    return attachContainer(context, getContainer(context, container.id), attach);
  }
}
