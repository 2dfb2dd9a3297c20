/** Which containers a command is about: names, --cidfile, --latest, --all, --filter. */
import { readFileSync } from "node:fs";
import {
  type Container,
  type ContainerContext,
  getLatest,
  listContainers,
} from "../../container/index.ts";
import { TspodError } from "../../errors.ts";

export {
  cidfileFlag,
  filterFlag,
  ignoreFlag,
  latestFlag,
  longFilterFlag,
} from "./selection-flags.ts";

export interface Selection {
  args: readonly string[];
  cidfile?: readonly string[];
  latest?: boolean;
  all?: boolean;
  filter?: readonly string[];
  /** What --all means here. */
  isAll?: (container: Container) => boolean;
  /** A --cidfile that is not there is passed over. */
  ignore?: boolean;
  /** "tspod rm", for errors. */
  command: string;
}

/** Names or ids. Throws usage: none at all, or two ways at once. */
export async function selectContainers(
  context: ContainerContext,
  selection: Selection,
): Promise<string[]> {
  const { args, cidfile = [], filter = [], command } = selection;
  const named = [...args, ...cidfile.flatMap((path) => readCidfile(path, selection))];
  const ways = [
    ["names", args.length + cidfile.length > 0],
    ["--latest", selection.latest === true],
    ["--all", selection.all === true || filter.length > 0],
  ] as const;
  const used = ways.filter(([, isUsed]) => isUsed).map(([way]) => way);
  const [first, second] = used;
  if (second !== undefined) {
    const ours = second === "--all" && filter.length > 0 ? "--filter" : second;
    throw new TspodError("usage", `Cannot combine ${first} with ${ours}`, {
      next: "leave one of them away",
    });
  }
  if (first === "--latest") return [getLatest(context).id];
  if (first === "--all") {
    const matches = await filterOf(context, filter);
    const isAll = selection.isAll ?? (() => true);
    return listContainers(context)
      .filter((container) => isAll(container) && matches(container))
      .map(({ id }) => id);
  }
  if (first === undefined) {
    throw new TspodError("usage", `"${command}" needs a container`, {
      next: `name one, see ${command} --help; tspod ps -a lists them`,
    });
  }
  return named;
}

/** What reads filters is loaded for those who give some. */
async function filterOf(context: ContainerContext, texts: readonly string[]) {
  if (texts.length === 0) return () => true;
  const { containerFilter } = await import("../../container/filters.ts");
  return containerFilter(context, texts);
}

/** One container, by its name or because it is the latest: the rest of the words are for the command. */
export function takeContainer(
  args: readonly string[],
  {
    latest,
    cidfile = null,
    command,
    usage,
  }: {
    latest: boolean;
    cidfile?: string | null;
    command: string;
    usage: string;
  },
): { name: string | null; rest: string[] } {
  if (latest && cidfile !== null) {
    throw new TspodError("usage", "Cannot combine --latest with --cidfile", {
      next: "leave one of them away",
    });
  }
  if (cidfile !== null) {
    const [id = ""] = readCidfile(cidfile, { ignore: false });
    return { name: id, rest: [...args] };
  }
  if (latest) return { name: null, rest: [...args] };
  const [name, ...rest] = args;
  if (name !== undefined) return { name, rest };
  throw new TspodError("usage", `"${command}" needs a container`, {
    next: `usage: ${command} [FLAGS] ${usage}; see ${command} --help`,
  });
}

/** After the container no word is meant. Throws usage. */
export function refuseRest(command: string, [word]: readonly string[]): void {
  if (word === undefined) return;
  throw new TspodError(
    "usage",
    `"${command}" needs exactly 1 container: "${word}" is one too many`,
    {
      next: `leave it away, or --latest; see ${command} --help`,
    },
  );
}

const cidfileBytesMax = 4096;

function readCidfile(path: string, { ignore }: { ignore?: boolean }): string[] {
  try {
    const text = readFileSync(path, "latin1").trim();
    if (text !== "" && text.length < cidfileBytesMax && !/\s/.test(text)) return [text];
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT" && ignore === true) return [];
    throw new TspodError("usage", `Cannot read the --cidfile "${path}" (${code})`, {
      next: "check the path",
      cause,
    });
  }
  throw new TspodError("usage", `There is no container's id in the --cidfile "${path}"`, {
    next: "it is what tspod run --cidfile writes",
  });
}
