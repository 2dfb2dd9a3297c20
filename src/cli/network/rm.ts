/** `tspod network rm`. */
import { getContainer, removeContainer } from "../../container/index.ts";
import { TspodError } from "../../errors.ts";
import { getNetwork, removeNetwork } from "../../network/records.ts";
import { listNetworkUsers, type NetworkRecord } from "../../store/networks.ts";
import { type CliContext, defineCommand } from "../command.ts";
import { forEachArgument } from "../each.ts";
import { boolean, value } from "../flags.ts";

export default defineCommand({
  path: ["network", "rm"],
  usage: "NETWORK [NETWORK...]",
  summary: "Remove networks",
  flags: {
    force: boolean("-f,--force", "Also the containers on it; one that is not there is no error"),
    time: value("-t,--time", "SECONDS", "With --force: how long containers may take to stop"),
  },
  args: { min: 1, max: Infinity, completes: "network" },
  async run(context, flags, args) {
    const timeoutMs = flags.time === null ? null : parseSeconds(flags.time);
    if (timeoutMs !== null && !flags.force) {
      throw new TspodError("usage", "--time is for --force: otherwise no container is stopped", {
        next: "leave it away, or add -f",
      });
    }
    const remove = async (wanted: string): Promise<string | null> => {
      try {
        const network = getNetwork(context, wanted);
        if (flags.force) await removeWithUsers(context, network, timeoutMs);
        else removeNetwork(context, network);
        return network.name;
      } catch (error) {
        const isGone = error instanceof TspodError && error.code === "network.not_found";
        if (!(flags.force && isGone)) throw error;
        return null;
      }
    };
    return forEachArgument(context, args, remove, exitCodes);
  },
});

/** podman-network-rm(1). */
const exitCodes = { "network.not_found": 1, "network.in_use": 2 } as const;

/** Containers that come meanwhile are some of them, too; a crowd that never ends is told of. */
const roundsMax = 8;

async function removeWithUsers(
  context: CliContext,
  network: NetworkRecord,
  timeoutMs: number | null,
): Promise<void> {
  for (let round = 1; ; round++) {
    await removeUsers(context, network.id, timeoutMs);
    try {
      return removeNetwork(context, network);
    } catch (error) {
      const isInUse = error instanceof TspodError && error.code === "network.in_use";
      if (!isInUse || round === roundsMax) throw error;
    }
  }
}

async function removeUsers(
  context: CliContext,
  networkId: string,
  timeoutMs: number | null,
): Promise<void> {
  const patience = timeoutMs === null ? {} : { timeoutMs };
  for (const { id } of listNetworkUsers(context.database, networkId)) {
    try {
      await removeContainer(context, getContainer(context, id), { force: true, ...patience });
    } catch (error) {
      const isGone = error instanceof TspodError && error.code === "container.not_found";
      if (!isGone) throw error;
    }
  }
}

const millisecondsPerSecond = 1000;

function parseSeconds(text: string): number {
  if (/^\d{1,6}$/.test(text)) return Number(text) * millisecondsPerSecond;
  throw new TspodError("usage", `Invalid --time "${text}"`, { next: "give whole seconds" });
}
