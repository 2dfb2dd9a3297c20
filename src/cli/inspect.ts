/** `tspod inspect`: containers and images. */
import { getContainer, inspectContainer } from "../container/index.ts";
import { TspodError } from "../errors.ts";
import { type CliContext, defineCommand } from "./command.ts";
import { forEachArgument } from "./each.ts";
import { value } from "./flags.ts";
import { formatObjects } from "./output/format.ts";
import { print } from "./output/print.ts";

const kinds = ["container", "image"] as const;

export default defineCommand({
  path: ["inspect"],
  usage: "CONTAINER|IMAGE [CONTAINER|IMAGE...]",
  summary: "Show everything about containers or images",
  flags: {
    format: value("-f,--format", "TEMPLATE", "json or a Go template", ["json"]),
    type: value("--type", "TYPE", "container or image", kinds),
  },
  args: { min: 1, max: Infinity, completes: "any" },
  async run(context, flags, args) {
    const objects: object[] = [];
    const status = await forEachArgument(context, args, async (name) => {
      objects.push(await inspect(context, name, flags.type));
      return null;
    });
    await print(await formatObjects(flags.format, objects));
    return status;
  },
});

async function inspect(context: CliContext, name: string, type: string | null): Promise<object> {
  if (type !== "image") {
    try {
      return inspectContainer(context, getContainer(context, name));
    } catch (error) {
      const isElse = error instanceof TspodError && error.code === "container.not_found";
      if (!isElse || type === "container") throw error;
    }
  }
  try {
    return (await import("./output/image-inspection.ts")).imageInspection(context, name);
  } catch (error) {
    const isNeither = error instanceof TspodError && error.code === "image.not_found";
    if (!isNeither || type === "image") throw error;
    throw new TspodError("container.not_found", `Cannot find a container or image "${name}"`, {
      next: "tspod ps -a and tspod images list them",
    });
  }
}
