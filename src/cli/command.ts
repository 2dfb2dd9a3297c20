/** What a command is: data that says how it is called, and a function that does it. */
import type { ContainerContext } from "../container/index.ts";
import type { PullEvent } from "../image/index.ts";
import type { FlagTable, FlagValues } from "./flags.ts";

/** What commands get from main: the engine, seen from the command line. */
export interface CliContext extends ContainerContext {
  showProgress(report: (event: PullEvent) => void): void;
}

/** What completion offers for a command's arguments. */
export type ArgumentSource =
  "container" | "running" | "image" | "volume" | "network" | "secret" | "any" | "shell" | "none";

export interface Command<T extends FlagTable = FlagTable> {
  /** ["run"], ["container", "ls"]. */
  readonly path: readonly string[];
  /** "IMAGE [COMMAND [ARG...]]". */
  readonly usage: string;
  /** One sentence, without a full stop. */
  readonly summary: string;
  /** Lines for --help: [what it does, the command line]. */
  readonly examples?: readonly (readonly [string, string])[];
  readonly flags: T;
  readonly args: {
    readonly min: number;
    /** Infinity: any number. */
    readonly max: number;
    /** What the first argument names; "first" when only that one does. */
    readonly completes: ArgumentSource;
    /** What the others name; absent: the same. */
    readonly then?: ArgumentSource;
    /** Everything after the first argument belongs to it. */
    readonly stopsAtFirst?: boolean;
  };
  /** Flags of docker's, podman's and nerdctl's that are not here, and why: a sentence without a full stop. */
  readonly refused?: Readonly<Record<string, string>>;
  /** False: never opens the store, so there is nothing to recover first. */
  readonly usesStore?: false;
  /** True: it only looks, at what is as it is whatever a killed command has left. The next one that acts recovers that. */
  readonly onlyLooks?: true;
  /** What must be seen before anything is opened, the store included. Throws what run would. */
  check?(flags: FlagValues<T>): void;
  /** The exit code. */
  run(context: CliContext, flags: FlagValues<T>, args: string[]): Promise<number>;
}

/** Infers the flags' types. */
export function defineCommand<const T extends FlagTable>(command: Command<T>): Command<T> {
  return command;
}
