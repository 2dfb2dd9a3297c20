/** `tspod inspect`: containers, images, volumes and networks, whichever has the name. */
import { getContainer, getLatest, inspectContainer } from "../container/index.ts";
import { TspodError } from "../errors.ts";
import { type CliContext, defineCommand } from "./command.ts";
import { forEachArgument } from "./each.ts";
import { boolean, value } from "./flags.ts";
import { formatObjects } from "./output/objects.ts";
import { print } from "./output/print.ts";
import { latestFlag } from "./options/selection-flags.ts";

const kinds = ["all", "container", "image", "volume", "network"] as const;
type Kind = (typeof kinds)[number];

export default defineCommand({
  path: ["inspect"],
  usage: "NAME [NAME...]",
  summary: "Show everything about containers, images, volumes or networks",
  flags: {
    format: value("-f,--format", "TEMPLATE", "json or a Go template", ["json"]),
    type: value("-t,--type", "TYPE", "container, image, volume, network or all", kinds),
    size: boolean("-s,--size", "Also what a container has written, and with its image"),
    latest: latestFlag,
  },
  args: { min: 0, max: Infinity, completes: "any" },
  onlyLooks: true,
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
  if (format?.includes("{{") === true) objects.forEach(addSecondNames);
  await print(await formatObjects(format, objects));
  return status;
}

/** What podman's templates know by another name than JSON has. */
function addSecondNames(object: { Id?: string; State?: { Health?: unknown } }): void {
  const { Id, State } = object;
  if (Id !== undefined && !Object.hasOwn(object, "ID"))
    Object.defineProperty(object, "ID", { value: Id });
  if (State !== undefined) Object.defineProperty(State, "Healthcheck", { value: State.Health });
}

function parseKind(text: string | null): Kind {
  const kind = text === null || text === "" ? "all" : kinds.find((each) => each === text);
  if (kind !== undefined) return kind;
  throw new TspodError("usage", `Invalid --type "${text}"`, { next: `use ${kinds.join(", ")}` });
}

/** Each says by its code that it has nothing of that name. */
const notFound: Readonly<Record<string, string>> = {
  container: "container.not_found",
  image: "image.not_found",
  volume: "volume.not_found",
  network: "network.not_found",
};

async function inspect(
  context: CliContext,
  name: string,
  { kind, size }: { kind: Kind; size: boolean },
): Promise<object> {
  const lookers: Readonly<Record<Exclude<Kind, "all">, () => Promise<object> | object>> = {
    container: async () => {
      const container = getContainer(context, name);
      if (!size) return inspectContainer(context, container);
      const { containerSize } = await import("../container/sizes.ts");
      return inspectContainer(context, container, containerSize(context, container));
    },
    image: async () =>
      (await import("./output/image-inspection.ts")).imageInspection(context, name),
    volume: async () => {
      const { getVolume, inspectVolume } = await import("../volume/index.ts");
      return inspectVolume(context, getVolume(context, name));
    },
    network: async () => {
      const { getNetwork, inspectNetwork } = await import("../network/records.ts");
      return inspectNetwork(context, getNetwork(context, name));
    },
  };
  if (kind !== "all") return lookers[kind]();
  for (const [each, look] of Object.entries(lookers)) {
    try {
      return await look();
    } catch (error) {
      // what is no image's name may be another thing's, or nothing's
      const codes = [notFound[each], "reference.invalid"];
      if (!(error instanceof TspodError && codes.includes(error.code))) throw error;
    }
  }
  throw new TspodError(
    "container.not_found",
    `Cannot find a container, image, volume or network "${name}"`,
    {
      next: "tspod ps -a, tspod images, tspod volume ls and tspod network ls list them",
    },
  );
}
