/** `tspod volume exists`: the exit code is the answer, 1 for no. */
import { findVolumeRecord } from "../../store/volumes.ts";
import { defineCommand } from "../command.ts";

export default defineCommand({
  path: ["volume", "exists"],
  usage: "VOLUME",
  summary: "Tell by the exit code whether there is such a volume",
  flags: {},
  args: { min: 1, max: 1, completes: "volume" },
  run(context, _, [name = ""]) {
    return Promise.resolve(findVolumeRecord(context.database, name) === null ? 1 : 0);
  },
});
