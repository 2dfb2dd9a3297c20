/** `tspod volume rm`. */
import { getContainer, removeContainer } from "../../container/index.ts";
import { TspodError } from "../../errors.ts";
import { listVolumeUsers } from "../../store/volumes.ts";
import { getVolume, listVolumes, removeVolume } from "../../volume/index.ts";
import { type CliContext, defineCommand } from "../command.ts";
import { forEachArgument } from "../each.ts";
import { boolean, value } from "../flags.ts";
import { parseSeconds } from "../options/seconds.ts";
import { noVolume } from "./inspect.ts";

export default defineCommand({
  path: ["volume", "rm"],
  usage: "VOLUME [VOLUME...]",
  summary: "Remove volumes",
  flags: {
    all: boolean("-a,--all", "Every volume"),
    force: boolean(
      "-f,--force",
      "Also the containers that use it; one that is not there is no error",
    ),
    time: value("-t,--time", "SECONDS", "With --force: how long containers may take to stop"),
  },
  args: { min: 0, max: Infinity, completes: "volume" },
  async run(context, flags, args) {
    if (args.length === 0 && !flags.all) throw noVolume("rm");
    if (flags.time !== null && !flags.force) {
      throw new TspodError("usage", "--time is for --force: otherwise no container is stopped", {
        next: "leave it away, or add -f",
      });
    }
    const patience =
      flags.time === null ? {} : { timeoutMs: parseSeconds("--time", flags.time, 0) };
    const names = flags.all ? listVolumes(context).map(({ name }) => name) : args;
    const remove = async (wanted: string): Promise<string | null> => {
      try {
        const volume = getVolume(context, wanted);
        if (flags.force) await removeUsers(context, volume.name, patience);
        await removeVolume(context, volume);
        return volume.name;
      } catch (error) {
        const isGone = error instanceof TspodError && error.code === "volume.not_found";
        if (!((flags.force || flags.all) && isGone)) throw error;
        return null;
      }
    };
    return forEachArgument(context, names, remove, exitCodes);
  },
});

/** podman-volume-rm(1). */
const exitCodes = { "volume.not_found": 1, "volume.in_use": 2 } as const;

async function removeUsers(
  context: CliContext,
  name: string,
  patience: { timeoutMs?: number },
): Promise<void> {
  for (const { id } of listVolumeUsers(context.database, name)) {
    await removeContainer(context, getContainer(context, id), { force: true, ...patience });
  }
}
