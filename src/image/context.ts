/** What the image functions work with. Plain data and callbacks: the engine builds it, tests build their own. */
import type { Database } from "bun:sqlite";
import type { LayerMapping, OwnerMapping } from "../helper/index.ts";
import type { Environment, Paths } from "../store/paths.ts";
import type { TransportLimits } from "../registry/index.ts";
import type { PullEvent } from "./events.ts";

/** Owners of files that are not the store's usual ones. */
export interface LayerOwners extends OwnerMapping {
  /** The same for the same owners: part of a directory's name. */
  readonly key: string;
}

export interface ImageContext {
  readonly paths: Paths;
  readonly database: Database;
  /** For registries.conf, auth.json, proxies and HOME. */
  readonly environment: Environment;
  /** What precedes a native verb: `[...helper, "apply", ...]`. Read only when a layer is unpacked or removed. */
  readonly helper: readonly string[];
  /** The user namespace layers are unpacked in: the one that will run them. Read only then, too. */
  readonly mapping: LayerMapping;
  readonly signal: AbortSignal;
  /** The program of the built-in image; absent where none is carried (run from sources). */
  readonly builtinProgram?: () => Promise<Uint8Array>;
  /** Time-outs and attempts, where they are not the usual ones. */
  readonly limits?: Partial<TransportLimits>;
  /** What a pull is doing, for a progress display. Must not throw. */
  report(event: PullEvent): void;
  /** One sentence for the user, who need not act on it. */
  warn(message: string): void;
}

/** The same context, given up when `signal` says so. An engine's parts are made on first use: here all of them are. */
export function withSignal(context: ImageContext, signal: AbortSignal): ImageContext {
  const { paths, database, environment, helper, mapping, limits } = context;
  return {
    ...{ paths, database, environment, helper, mapping, signal },
    ...(limits === undefined ? {} : { limits }),
    report: (event) => context.report(event),
    warn: (message) => context.warn(message),
  };
}
