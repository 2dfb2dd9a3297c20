/** `tspod secret rm`. Containers that have it keep it until they are created again or the machine starts again. */
import { getSecret } from "../../container/index.ts";
import { TspodError } from "../../errors.ts";
import { transact } from "../../store/database.ts";
import { recordEvent } from "../../store/events.ts";
import { deleteSecret, listSecretRecords } from "../../store/secrets.ts";
import { defineCommand } from "../command.ts";
import { forEachArgument } from "../each.ts";
import { boolean } from "../flags.ts";

export default defineCommand({
  path: ["secret", "rm"],
  usage: "SECRET [SECRET...]",
  summary: "Remove secrets",
  flags: {
    all: boolean("-a,--all", "Every secret"),
    ignore: boolean("-i,--ignore", "One that is not there is no error"),
  },
  args: { min: 0, max: Infinity, completes: "secret" },
  async run(context, flags, args) {
    if (args.length === 0 && !flags.all) {
      throw new TspodError("usage", '"tspod secret rm" needs a secret', {
        next: "name one, or -a for all; tspod secret ls lists them",
      });
    }
    const { database } = context;
    const names = flags.all ? listSecretRecords(database).map(({ id }) => id) : args;
    return forEachArgument(context, names, (wanted) => {
      try {
        const { id, name } = getSecret(database, wanted);
        transact(database, () => deleteSecret(database, id), { durable: true });
        recordEvent(context, { type: "secret", status: "remove", id, name });
        return Promise.resolve(id);
      } catch (error) {
        const isGone = error instanceof TspodError && error.code === "secret.not_found";
        if (!(isGone && (flags.ignore || flags.all))) throw error;
        return Promise.resolve(null);
      }
    });
  },
});
