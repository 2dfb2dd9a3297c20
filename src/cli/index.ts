/** The command line: argv -> exit code. Finds the command, parses, runs, and says what went wrong. */
import { recoverContainers } from "../container/index.ts";
import { TspodError } from "../errors.ts";
import { recoverContent } from "../image/index.ts";
import { nearest } from "../lib/nearest.ts";
import { requirePrivateRuntime } from "../store/runtime-directory.ts";
import type { CliContext, Command } from "./command.ts";
import { commandNames, findGroup, groupNames, loadCommand, splitCommand } from "./commands.ts";
import { printFailure } from "./failure.ts";
import { parseArguments } from "./parse.ts";

export { printWarning } from "./output/error.ts";
export { ownWords } from "./snapshot.ts";

export async function runCli(argv: readonly string[], context: CliContext): Promise<number> {
  try {
    return await dispatch(argv, context);
  } catch (error) {
    // whoever read our output has seen enough (`tspod logs web | head`)
    if ((error as NodeJS.ErrnoException).code === "EPIPE") return 0;
    return printFailure(error, context);
  }
}

async function dispatch(argv: readonly string[], context: CliContext): Promise<number> {
  const [name] = argv;
  if (name === undefined || isHelp(name) || name === "help") {
    return (await import("./help.ts")).printHelp(argv.slice(1));
  }
  if (name === "--version" || name === "-v") return dispatch(["version", "--short"], context);
  const { path, rest } = splitCommand(argv);
  const [, verb] = path;
  if (findGroup(name) !== null && (verb === undefined || isHelp(verb))) {
    return (await import("./help.ts")).printHelp([name]);
  }
  const command = await loadCommand(name, verb);
  if (command === null) throw await unknownCommand(path);
  return runCommand(command, `tspod ${path.join(" ")}`, rest, context);
}

function isHelp(word: string): boolean {
  return word === "--help" || word === "-h";
}

async function runCommand(
  command: Command,
  title: string,
  argv: readonly string[],
  context: CliContext,
): Promise<number> {
  const parsed = parseArguments(argv, command.flags, {
    command: title,
    stopsAtArgument: command.args.stopsAtFirst === true,
    ...(command.refused === undefined ? {} : { refused: command.refused }),
  });
  if (parsed.wantsHelp) return (await import("./help.ts")).printCommandHelp(command);
  const { min, max } = command.args;
  if (parsed.args.length < min || parsed.args.length > max) {
    const few = parsed.args.length < min;
    const extra = few ? "" : `: "${parsed.args[max]}" is one too many`;
    throw new TspodError("usage", `"${title}" needs ${countWords(min, max)}${extra}`, {
      next: `usage: ${`${title} [FLAGS] ${command.usage}`.trimEnd()}; see ${title} --help`,
    });
  }
  command.check?.(parsed.flags);
  if (command.onlyLooks === true) requirePrivateRuntime(context.paths);
  else if (command.usesStore !== false) {
    await recoverContent(context);
    await recoverContainers(context);
  }
  return command.run(context, parsed.flags, parsed.args);
}

function countWords(min: number, max: number): string {
  const plural = (count: number): string => `${count} argument${count === 1 ? "" : "s"}`;
  if (max === 0) return "no arguments";
  if (min === max) return `exactly ${plural(min)}`;
  if (max === Infinity) return `at least ${plural(min)}`;
  return `${min} to ${plural(max)}`;
}

async function unknownCommand(path: readonly string[]): Promise<TspodError> {
  const { findRefusal, globalFlag } = await import("./refused-commands.ts");
  const [word = ""] = path;
  if (word.startsWith("-")) {
    const { message, next } = globalFlag(word);
    return new TspodError("usage", message, { next });
  }
  const refusal = findRefusal(path);
  if (refusal !== undefined) {
    const { why, next } = refusal;
    return new TspodError("usage", `There is no "tspod ${path.join(" ")}": ${why}`, { next });
  }
  const [noun = "", verb] = path;
  const group = verb === undefined ? null : findGroup(noun);
  const known = group === null ? [...commandNames, ...groupNames] : Object.keys(group.commands);
  const near = nearest(verb ?? noun, known);
  const before = group === null ? "tspod" : `tspod ${noun}`;
  const hint = near === undefined ? "" : `did you mean "${before} ${near}"? `;
  return new TspodError("usage", `Unknown command "${path.join(" ")}"`, {
    next: `${hint}see ${before} --help`,
  });
}
