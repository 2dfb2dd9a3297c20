/** `tspod inspect`: containers and images. */
import { getContainer, getLatest, inspectContainer } from "../container/index.ts";
import { TspodError } from "../errors.ts";
import { type CliContext, defineCommand } from "./command.ts";
import { forEachArgument } from "./each.ts";
import { boolean, value } from "./flags.ts";
import { formatObjects } from "./output/format.ts";
import { print } from "./output/print.ts";
import { latestFlag } from "./options/selection.ts";

const kinds = ["all", "container", "image"] as const;
type Kind = (typeof kinds)[number];

export default defineCommand({
  path: ["inspect"],
  usage: "CONTAINER|IMAGE [CONTAINER|IMAGE...]",
  summary: "Show everything about containers or images",
  flags: {
    format: value("-f,--format", "TEMPLATE", "json or a Go template", ["json"]),
    type: value("-t,--type", "TYPE", "container, image or all", kinds),
    size: boolean("-s,--size", "Also what a container has written, and with its image"),
    latest: latestFlag,
  },
  args: { min: 0, max: Infinity, completes: "any" },
  async run(context, flags, args) {
    return inspectAll(context, args, { ...flags, kind: parseKind(flags.type) });
  },
});

export interface InspectOptions {
  kind: Kind;
  format: string | null;
  size: boolean;
  latest: boolean;
}

/** Prints what is there, says what is not; the exit code. */
export async function inspectAll(
  context: CliContext,
  args: readonly string[],
  { kind, format, size, latest }: InspectOptions,
): Promise<number> {
  if (args.length > 0 === latest) {
    throw new TspodError(
      "usage",
      latest ? "Cannot combine names with --latest" : '"tspod inspect" needs a name',
      { next: "name a container or an image; tspod ps -a and tspod images list them" },
    );
  }
  const names = latest ? [getLatest(context).id] : args;
  const objects: object[] = [];
  const status = await forEachArgument(context, names, async (name) => {
    objects.push(await inspect(context, name, { kind, size }));
    return null;
  });
  await print(await formatObjects(format, objects));
  return status;
}

function parseKind(text: string | null): Kind {
  const kind = text === null || text === "" ? "all" : kinds.find((each) => each === text);
  if (kind !== undefined) return kind;
  throw new TspodError("usage", `Invalid --type "${text}"`, { next: `use ${kinds.join(", ")}` });
}

async function inspect(
  context: CliContext,
  name: string,
  { kind, size }: { kind: Kind; size: boolean },
): Promise<object> {
  if (kind !== "image") {
    try {
      return inspectContainer(context, getContainer(context, name), { withSize: size });
    } catch (error) {
      const isElse = error instanceof TspodError && error.code === "container.not_found";
      if (!isElse || kind === "container") throw error;
    }
  }
  try {
    return (await import("./output/image-inspection.ts")).imageInspection(context, name);
  } catch (error) {
    const isNeither = error instanceof TspodError && error.code === "image.not_found";
    if (!isNeither || kind === "image") throw error;
    throw new TspodError("container.not_found", `Cannot find a container or image "${name}"`, {
      next: "tspod ps -a and tspod images list them",
    });
  }
}
