/**
 * Flags are data: one table a command, from which come its parser, its help and its completion.
 * The kinds and their meaning are those of docker's and podman's command lines (the pflag conventions).
 */

/** What completion offers as the value. */
export type ValueSource =
  "file" | "directory" | "image" | "container" | "network" | "signal" | readonly string[];

interface FlagBase {
  /** "-e", "--env"; the long one last, it names the flag in errors. */
  readonly names: readonly string[];
  readonly description: string;
}

export interface BooleanFlag extends FlagBase {
  readonly kind: "boolean";
  /** Given as --name=false to turn it off. */
  readonly isOnByDefault?: true;
  /** Neither yes nor no unless somebody says it: something else decides then. */
  readonly isNullUnlessGiven?: true;
}

export interface ValueFlag extends FlagBase {
  /** "value": the last one counts. "list": every one does, in order. */
  readonly kind: "value" | "list";
  /** Placeholder in help: "NAME". */
  readonly placeholder: string;
  readonly completes?: ValueSource;
}

export type Flag = BooleanFlag | ValueFlag;
export type FlagTable = Readonly<Record<string, Flag>>;

/** The values of a table's flags: boolean, string or null (not given), string[]. */
export type FlagValues<T extends FlagTable> = {
  [K in keyof T]: T[K] extends { kind: "boolean" }
    ? T[K] extends { isNullUnlessGiven: true }
      ? boolean | null
      : boolean
    : T[K] extends { kind: "list" }
      ? string[]
      : string | null;
};

export function boolean(names: string, description: string) {
  return { kind: "boolean", names: names.split(","), description } as const;
}

export function value(
  names: string,
  placeholder: string,
  description: string,
  completes?: ValueSource,
) {
  const base = { kind: "value", names: names.split(","), placeholder, description } as const;
  return completes === undefined ? base : { ...base, completes };
}

export function list(
  names: string,
  placeholder: string,
  description: string,
  completes?: ValueSource,
) {
  const base = { kind: "list", names: names.split(","), placeholder, description } as const;
  return completes === undefined ? base : { ...base, completes };
}
