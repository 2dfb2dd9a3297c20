/** `tspod volume rm`. */
import { getContainer, removeContainer } from "../../container/index.ts";
import { TspodError } from "../../errors.ts";
import { listVolumeUsers } from "../../store/volumes.ts";
import { getVolume, listVolumes, removeVolume } from "../../volume/index.ts";
import { type CliContext, defineCommand } from "../command.ts";
import { forEachArgument } from "../each.ts";
import { boolean } from "../flags.ts";
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
  },
  args: { min: 0, max: Infinity, completes: "volume" },
  async run(context, flags, args) {
    if (args.length === 0 && !flags.all) throw noVolume("rm");
    const names = flags.all ? listVolumes(context).map(({ name }) => name) : args;
    return forEachArgument(context, names, async (wanted) => {
      try {
        const volume = getVolume(context, wanted);
        if (flags.force) await removeUsers(context, volume.name);
        await removeVolume(context, volume);
        return volume.name;
      } catch (error) {
        const isGone = error instanceof TspodError && error.code === "volume.not_found";
        if (!((flags.force || flags.all) && isGone)) throw error;
        return null;
      }
    });
  },
});

async function removeUsers(context: CliContext, name: string): Promise<void> {
  for (const { id } of listVolumeUsers(context.database, name)) {
    await removeContainer(context, getContainer(context, id), { force: true });
  }
}
