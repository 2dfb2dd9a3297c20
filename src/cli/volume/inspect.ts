/** `tspod volume inspect`. */
import { TspodError } from "../../errors.ts";
import { getVolume, inspectVolume, listVolumes } from "../../volume/index.ts";
import { defineCommand } from "../command.ts";
import { forEachArgument } from "../each.ts";
import { boolean, value } from "../flags.ts";
import { formatObjects } from "../output/objects.ts";
import { print } from "../output/print.ts";

export default defineCommand({
  path: ["volume", "inspect"],
  usage: "VOLUME [VOLUME...]",
  summary: "Show everything about volumes",
  flags: {
    all: boolean("-a,--all", "Every volume"),
    format: value("-f,--format", "TEMPLATE", "json or a Go template", ["json"]),
  },
  args: { min: 0, max: Infinity, completes: "volume" },
  async run(context, flags, args) {
    if (args.length === 0 && !flags.all) throw noVolume("inspect");
    const names = flags.all ? listVolumes(context).map(({ name }) => name) : args;
    const objects: object[] = [];
    const status = await forEachArgument(context, names, (name) => {
      objects.push(inspectVolume(context, getVolume(context, name)));
      return Promise.resolve(null);
    });
    await print(await formatObjects(flags.format, objects));
    return status;
  },
});

export function noVolume(verb: string): TspodError {
  return new TspodError("usage", `"tspod volume ${verb}" needs a volume`, {
    next: "name one, or -a for all; tspod volume ls lists them",
  });
}
