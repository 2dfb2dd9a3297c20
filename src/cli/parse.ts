/**
 * argv -> flag values and arguments, as docker and podman read them (pflag): `-it`, `-itv /a:/b`, `-p8080:80`,
 * `--env=A=B`, `--rm=false`, `--`. Pure.
 */
import { TspodError } from "../errors.ts";
import { nearest } from "../lib/nearest.ts";
import type { Flag, FlagTable, FlagValues } from "./flags.ts";

export interface ParseRules {
  /** "tspod run", for errors. */
  command: string;
  /** Everything after the first argument belongs to it (run, exec). */
  stopsAtArgument: boolean;
  /** Flags that docker or podman have here and we do not, and why: not taken for slips of the pen. */
  refused?: Readonly<Record<string, string>>;
}

export interface Parsed<T extends FlagTable> {
  flags: FlagValues<T>;
  args: string[];
  /** --help was asked for: nothing else matters. */
  wantsHelp: boolean;
}

/** Throws usage: an unknown flag (with the nearest known one), a missing or unwanted value. */
export function parseArguments<T extends FlagTable>(
  argv: readonly string[],
  table: T,
  rules: ParseRules,
): Parsed<T> {
  const byName = new Map<string, [string, Flag]>();
  for (const [key, flag] of Object.entries(table)) {
    for (const name of flag.names) byName.set(name, [key, flag]);
  }
  const values: Record<string, boolean | string | null | string[]> = {};
  for (const [key, flag] of Object.entries(table)) {
    values[key] = unsaid(flag);
  }
  const args: string[] = [];
  let wantsHelp = false;
  let at = 0;

  const take = (name: string, attached: string | null): void => {
    const [key, flag] = byName.get(name) ?? unknown(name, byName, rules);
    if (flag.kind === "boolean") {
      values[key] = attached === null ? true : parseBoolean(name, attached, rules);
      return;
    }
    const value = attached ?? argv[at++];
    if (value === undefined)
      throw usage(`Flag "${name}" needs a value: ${flag.placeholder}`, rules);
    if (flag.kind === "value") values[key] = value;
    else (values[key] as string[]).push(value); // a list flag's value is a list: set above
  };

  const takeShorts = (cluster: string): void => {
    for (let i = 1; i < cluster.length; i++) {
      const name = `-${cluster[i]}`;
      if (name === "-h" && !byName.has(name)) {
        wantsHelp = true;
        continue;
      }
      const [, flag] = byName.get(name) ?? unknown(name, byName, rules);
      const rest = cluster.slice(i + 1);
      if (flag.kind === "boolean" && !rest.startsWith("=")) {
        take(name, null);
        continue;
      }
      return take(name, rest === "" ? null : rest.replace(/^=/, ""));
    }
  };

  while (at < argv.length) {
    const word = argv[at++] ?? "";
    if (word === "--") {
      args.push(...argv.slice(at));
      break;
    }
    if (word === "--help") wantsHelp = true;
    else if (word.startsWith("--")) {
      const equals = word.indexOf("=");
      if (equals < 0) take(word, null);
      else take(word.slice(0, equals), word.slice(equals + 1));
    } else if (word.startsWith("-") && word !== "-") takeShorts(word);
    else {
      args.push(word);
      if (!rules.stopsAtArgument) continue;
      args.push(...argv.slice(at));
      break;
    }
  }
  return { flags: values as FlagValues<T>, args, wantsHelp }; // each set to its flag's kind above
}

function unsaid(flag: Flag): boolean | null | string[] {
  if (flag.kind !== "boolean") return flag.kind === "list" ? [] : null;
  return flag.isNullUnlessGiven === true ? null : flag.isOnByDefault === true;
}

function parseBoolean(name: string, text: string, rules: ParseRules): boolean {
  if (/^(1|t|true)$/i.test(text)) return true;
  if (/^(0|f|false)$/i.test(text)) return false;
  throw usage(`Flag "${name}" is true or false, not "${text}"`, rules);
}

function unknown(name: string, byName: ReadonlyMap<string, unknown>, rules: ParseRules): never {
  const why = Object.hasOwn(rules.refused ?? {}, name) ? rules.refused?.[name] : undefined;
  if (why !== undefined) {
    throw new TspodError("usage", `tspod cannot honour "${name}": ${why}`, {
      next: `leave it away, or see ${rules.command} --help for what it can`,
    });
  }
  const near = nearest(name, [...byName.keys()]);
  const hint = near === undefined ? "" : `did you mean "${near}"? `;
  throw new TspodError("usage", `Unknown flag "${name}" for "${rules.command}"`, {
    next: `${hint}see ${rules.command} --help`,
  });
}

function usage(message: string, rules: ParseRules): TspodError {
  return new TspodError("usage", message, { next: `see ${rules.command} --help` });
}
