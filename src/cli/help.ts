/** `--help`, laid out by clipanion from the same tables that parse. Loaded only when asked for. */
import { Cli, Command as ClipanionCommand, type CommandClass, Option } from "clipanion";
import { TspodError } from "../errors.ts";
import type { Command } from "./command.ts";
import {
  commandNames,
  findGroup,
  type Group,
  groupNames,
  loadCommand,
  splitCommand,
} from "./commands.ts";
import { print } from "./output/print.ts";

const binary = { binaryName: "tspod", binaryLabel: "tspod: containers in one file" };

/** `tspod help [COMMAND]`. */
export async function printHelp(words: readonly string[]): Promise<number> {
  const { path } = splitCommand(words.filter((word) => !word.startsWith("-")));
  const [name, verb] = path;
  if (name === undefined) return printOverview();
  const group = findGroup(name);
  if (group !== null && verb === undefined) return printGroup(name, group);
  const command = await loadCommand(name, verb);
  if (command !== null) return printCommandHelp(command);
  throw new TspodError("usage", `Unknown command "${path.join(" ")}"`, {
    next: "see tspod --help",
  });
}

async function printOverview(): Promise<number> {
  const summaries = await Promise.all(
    commandNames.map(async (name) => [name, (await loadCommand(name))?.summary ?? ""] as const),
  );
  const nouns = groupNames.map((name) => [name, findGroup(name)?.summary ?? ""] as const);
  await print(
    [
      "tspod: containers in one file, without root and without a daemon",
      "",
      "Usage: tspod COMMAND [FLAGS] [ARGUMENTS]",
      "",
      "Commands:",
      ...inColumns(summaries),
      "",
      "The same and more, by what they are about (tspod NOUN --help):",
      ...inColumns(nouns),
      "",
      "First steps: tspod run --rm hello    More: tspod COMMAND --help",
      "For other engines, an OCI runtime: tspod oci --help",
      "",
    ].join("\n"),
  );
  return 0;
}

async function printGroup(noun: string, group: Group): Promise<number> {
  const verbs = Object.keys(group.commands);
  const summaries = await Promise.all(
    verbs.map(async (verb) => [verb, (await loadCommand(noun, verb))?.summary ?? ""] as const),
  );
  const lines = [
    `tspod ${noun}: ${group.summary}`,
    "",
    `Usage: tspod ${noun} COMMAND [FLAGS] [ARGUMENTS]`,
    "",
    "Commands:",
    ...inColumns(summaries),
    "",
  ];
  await print(lines.join("\n"));
  return 0;
}

function inColumns(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([word]) => word.length));
  return rows.map(([word, summary]) => `  ${word.padEnd(width)}  ${summary}`.trimEnd());
}

export async function printCommandHelp(command: Command): Promise<number> {
  const cli = new Cli({ ...binary, enableColors: false });
  const shown = asClipanion(command);
  cli.register(shown);
  const usage = cli.usage(shown, { detailed: true }).replace(/^\$ .*$/m, `$ ${usageLine(command)}`);
  await print(`${namePlaceholders(usage).trim()}\n`);
  return 0;
}

/** clipanion calls every value "#0": "--name #0   NAME\twhat" becomes "--name NAME   what", aligned again. */
function namePlaceholders(usage: string): string {
  const option = /^ {2}(-\S+)(?: #0)?\s+(?:(\S+)\t)?(.*)$/;
  const titles = usage.split("\n").map((line) => {
    const [, names, placeholder] = option.exec(line) ?? [];
    return names === undefined ? "" : [names, placeholder].filter(Boolean).join(" ");
  });
  const width = Math.min(titleWidthMax, Math.max(...titles.map((title) => title.length)));
  return usage
    .split("\n")
    .map((line, index) => {
      const title = titles[index] ?? "";
      const description = option.exec(line)?.[3] ?? "";
      if (title === "") return line;
      if (title.length > width) return `  ${title}\n  ${" ".repeat(width)}  ${description}`;
      return `  ${title.padEnd(width)}  ${description}`;
    })
    .join("\n");
}

const titleWidthMax = 38;

function usageLine(command: Command): string {
  return ["tspod", ...command.path, "[FLAGS]", command.usage].join(" ").trim();
}

/** A clipanion class that is never run: it knows the flags and the words around them. */
function asClipanion(command: Command): CommandClass {
  class Shown extends ClipanionCommand {
    static override paths = [[...command.path]];
    static override usage = ClipanionCommand.Usage({
      description: command.summary,
      examples: (command.examples ?? []).map(([what, line]): [string, string] => [what, line]),
    });
    constructor() {
      super();
      for (const [key, flag] of Object.entries(command.flags)) {
        const { description } = flag;
        const names = flag.names.join(",");
        const option =
          flag.kind === "boolean"
            ? Option.Boolean(names, { description })
            : Option.Array(names, { description: `${flag.placeholder}\t${description}` });
        Object.assign(this, { [key]: option });
      }
    }
    override async execute(): Promise<number> {
      return 0;
    }
  }
  return Shown;
}
