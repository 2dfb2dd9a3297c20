/** What may stand at the cursor of a half-typed command line. Pure: names of containers and images are given to it. */
import type { ArgumentSource, Command } from "../command.ts";
import type { Flag, ValueFlag } from "../flags.ts";
import { networkModes } from "../../network/index.ts";

/** A word, and what it is; or the shell's own completion of paths. */
export type Completion =
  { kind: "words"; words: Candidate[] } | { kind: "files" } | { kind: "directories" };

export type Candidate = readonly [word: string, description: string];

/** Asked only for what the cursor's place needs. */
export interface Names {
  containers(): Candidate[];
  running(): Candidate[];
  images(): Candidate[];
  volumes(): Candidate[];
  networks(): Candidate[];
  secrets(): Candidate[];
}

const signals = ["HUP", "INT", "QUIT", "KILL", "USR1", "USR2", "TERM", "CONT", "STOP", "WINCH"];
const modeCandidates: Candidate[] = networkModes.map((mode) => [mode, ""]);
const shells = ["bash", "zsh", "fish"];

/** `typed` is everything between the command's name and the cursor; its last word is the unfinished one, maybe "". */
export function completeCommand(
  command: Command,
  typed: readonly string[],
  names: Names,
): Completion {
  const current = typed.at(-1) ?? "";
  const place = walk(command, typed.slice(0, -1));
  if (place.flag !== null) return completeValue(place.flag, current, names);
  if (place.isPassedOn) return { kind: "files" };
  if (current.startsWith("-") && !place.flagsEnded) return completeFlag(command, current, names);
  if (place.args.length >= command.args.max) return words([], current);
  const { completes, then = completes } = command.args;
  const found = completeArgument(place.args.length === 0 ? completes : then, names);
  return words(
    found.filter(([word]) => !place.args.includes(word)),
    current,
  );
}

interface Place {
  /** The flag whose value is at the cursor. */
  flag: ValueFlag | null;
  args: string[];
  /** Behind "--". */
  flagsEnded: boolean;
  /** Behind the first argument of run or exec: what is here belongs to the program inside. */
  isPassedOn: boolean;
}

function walk(command: Command, before: readonly string[]): Place {
  const place: Place = { flag: null, args: [], flagsEnded: false, isPassedOn: false };
  for (const word of before) {
    if (place.isPassedOn) break;
    if (place.flag !== null) place.flag = null;
    else if (place.flagsEnded || !word.startsWith("-") || word === "-") {
      place.args.push(word);
      place.isPassedOn = command.args.stopsAtFirst === true;
    } else if (word === "--") place.flagsEnded = true;
    else place.flag = awaitsValue(command, word);
  }
  return place;
}

/** `--name`, `-e` and `-ite` want the next word; `--name=x`, `-eA=1` and `-it` do not. */
function awaitsValue(command: Command, word: string): ValueFlag | null {
  if (word.startsWith("--")) return word.includes("=") ? null : valueFlag(command, word);
  const letters = [...word.slice(1)];
  const at = letters.findIndex((letter) => valueFlag(command, `-${letter}`) !== null);
  return at >= 0 && at === letters.length - 1 ? valueFlag(command, `-${letters[at]}`) : null;
}

function valueFlag(command: Command, name: string): ValueFlag | null {
  const flag = Object.values(command.flags).find(({ names }) => names.includes(name));
  return flag === undefined || flag.kind === "boolean" ? null : flag;
}

function completeFlag(command: Command, current: string, names: Names): Completion {
  const equals = current.indexOf("=");
  if (equals > 0) {
    const flag = valueFlag(command, current.slice(0, equals));
    if (flag === null) return words([], current);
    const value = completeValue(flag, current.slice(equals + 1), names);
    if (value.kind !== "words") return value;
    const prefix = current.slice(0, equals + 1);
    return { ...value, words: value.words.map(([word, what]) => [prefix + word, what] as const) };
  }
  const flags: Flag[] = Object.values(command.flags);
  const wantsLong = current.startsWith("--") || current === "-";
  const all = flags.flatMap(({ names: spellings, description }) =>
    spellings
      .filter((name) => name.startsWith("--") === wantsLong)
      .map((name): Candidate => [name, description]),
  );
  return words([...all, ["--help", "Show what this command can"]], current);
}

function completeValue({ completes }: ValueFlag, current: string, names: Names): Completion {
  if (completes === "file") return { kind: "files" };
  if (completes === "directory") return { kind: "directories" };
  if (completes === "image") return words(names.images(), current);
  if (completes === "container") return words(names.containers(), current);
  if (completes === "network") return words([...modeCandidates, ...names.networks()], current);
  const list = completes === "signal" ? signals : (completes ?? []);
  return words(
    list.map((word) => [word, ""]),
    current,
  );
}

function completeArgument(source: ArgumentSource, names: Names): Candidate[] {
  switch (source) {
    case "container":
      return names.containers();
    case "running":
      return names.running();
    case "image":
      return names.images();
    case "volume":
      return names.volumes();
    case "network":
      return names.networks();
    case "secret":
      return names.secrets();
    case "any":
      return [...names.containers(), ...names.images()];
    case "shell":
      return shells.map((shell) => [shell, ""]);
    case "none":
      return [];
  }
}

export function words(all: readonly Candidate[], current: string): Completion {
  return { kind: "words", words: all.filter(([word]) => word.startsWith(current)) };
}
