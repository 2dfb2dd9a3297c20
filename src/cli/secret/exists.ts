/** `tspod secret exists`: the exit code is the answer, 1 for no. */
import { findSecretRecords } from "../../store/secrets.ts";
import { defineCommand } from "../command.ts";

export default defineCommand({
  path: ["secret", "exists"],
  usage: "SECRET",
  summary: "Tell by the exit code whether there is such a secret",
  flags: {},
  args: { min: 1, max: 1, completes: "secret" },
  run(context, _, [name = ""]) {
    return Promise.resolve(findSecretRecords(context.database, name).length === 1 ? 0 : 1);
  },
});
