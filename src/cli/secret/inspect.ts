/** `tspod secret inspect`: in podman's shape. What it is, only for who asks for that. */
import { getSecret } from "../../container/index.ts";
import { readSecret } from "../../store/secrets.ts";
import { type CliContext, defineCommand } from "../command.ts";
import { forEachArgument } from "../each.ts";
import { boolean, value } from "../flags.ts";
import { formatObjects } from "../output/objects.ts";
import { print } from "../output/print.ts";

export default defineCommand({
  path: ["secret", "inspect"],
  usage: "SECRET [SECRET...]",
  summary: "Show everything about secrets but what they are",
  flags: {
    format: value("-f,--format", "TEMPLATE", "json or a Go template", ["json"]),
    pretty: boolean("--pretty", "A few lines for people"),
    showsecret: boolean("--showsecret", "Also what they are"),
  },
  args: { min: 1, max: Infinity, completes: "secret" },
  async run(context, flags, args) {
    const objects: ReturnType<typeof inspect>[] = [];
    const status = await forEachArgument(context, args, (name) => {
      objects.push(inspect(context, name, flags.showsecret));
      return Promise.resolve(null);
    });
    if (flags.pretty) await print(objects.map(pretty).join("\n"));
    else await print(await formatObjects(flags.format, objects));
    return status;
  },
});

function inspect({ database }: CliContext, wanted: string, shows: boolean) {
  const { id, name, labels, createdAt, updatedAt } = getSecret(database, wanted);
  const data = shows ? new TextDecoder().decode(readSecret(database, id) ?? new Uint8Array()) : "";
  return {
    ID: id,
    CreatedAt: createdAt,
    UpdatedAt: updatedAt,
    Spec: { Name: name, Driver: { Name: "file", Options: {} }, Labels: labels },
    ...(shows ? { SecretData: data } : {}),
  };
}

function pretty({ ID, CreatedAt, UpdatedAt, Spec }: ReturnType<typeof inspect>): string {
  const lines = [
    `ID:              ${ID}`,
    `Name:            ${Spec.Name}`,
    ...Object.entries(Spec.Labels).map(([key, text]) => ` - ${key}=${text}`),
    `Driver:          ${Spec.Driver.Name}`,
    `Created at:      ${CreatedAt}`,
    `Updated at:      ${UpdatedAt}`,
  ];
  return `${lines.join("\n")}\n`;
}
