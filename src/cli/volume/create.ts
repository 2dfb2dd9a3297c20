/** `tspod volume create`. */
import { TspodError } from "../../errors.ts";
import { parseVolumeName } from "../../store/volumes.ts";
import { createVolume } from "../../volume/index.ts";
import { defineCommand } from "../command.ts";
import { boolean, list, value } from "../flags.ts";
import { parseLabels } from "../options/labels.ts";
import { print } from "../output/print.ts";
import { requireLocalDriver } from "./driver.ts";

export default defineCommand({
  path: ["volume", "create"],
  usage: "[NAME]",
  summary: "Create a volume",
  examples: [
    [
      "A directory of the host under a name",
      "tspod volume create -o type=none -o o=bind -o device=/srv data",
    ],
    ["In memory", "tspod volume create -o type=tmpfs -o o=size=64m scratch"],
  ],
  flags: {
    driver: value("-d,--driver", "DRIVER", "local is the only one", ["local"]),
    label: list("-l,--label", "KEY=VALUE", "Attach a label"),
    name: value("--name", "NAME", "The same as the argument, for docker's sake"),
    opt: list("-o,--opt", "KEY=VALUE", "type=, device= and o=, as docker's local driver has them"),
    uid: value("--uid", "UID", "Whose it is, as -o o=uid=UID says it"),
    gid: value("--gid", "GID", "And of which group"),
    ignore: boolean("--ignore", "One that is there already is no error"),
  },
  args: { min: 0, max: 1, completes: "none" },
  async run(context, flags, [argument]) {
    if (flags.driver !== null) requireLocalDriver(flags.driver);
    if (argument !== undefined && flags.name !== null && argument !== flags.name) {
      throw new TspodError("usage", "A volume has one name: it is an argument, or --name", {
        next: "leave one of them away",
      });
    }
    const name = argument ?? flags.name;
    const record = await createVolume(
      context,
      {
        name: name === null ? null : parseVolumeName(name),
        labels: parseLabels(flags.label),
        options: withOwner(Object.fromEntries(flags.opt.map(parseOption)), flags),
        isAnonymous: name === null,
      },
      { ignoresExisting: flags.ignore },
    );
    await print(`${record.name}\n`);
    return 0;
  },
});

/** Podman's flags for what docker's driver has an option for. */
function withOwner(
  options: Record<string, string>,
  { uid, gid }: { uid: string | null; gid: string | null },
): Record<string, string> {
  const words = [uid === null ? "" : `uid=${uid}`, gid === null ? "" : `gid=${gid}`];
  const all = [options.o ?? "", ...words].filter(Boolean).join(",");
  return all === "" ? options : { ...options, o: all };
}

function parseOption(text: string): [string, string] {
  const equals = text.indexOf("=");
  if (equals > 0) return [text.slice(0, equals), text.slice(equals + 1)];
  throw new TspodError("usage", `Invalid option "${text}"`, { next: "use -o KEY=VALUE" });
}
