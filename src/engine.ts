/**
 * What a command works with: paths, store, host, helper, clock. Each part is made when it is first asked for, because
 * start-up is a budget: `version` opens no database, `ps` never looks for newuidmap.
 */
import type { Database } from "bun:sqlite";
import type { ContainerContext } from "./container/index.ts";
import { helloProgram, helperCommand } from "./helper/index.ts";
import {
  chooseRootfs,
  findDataLayers,
  cgroupManager,
  deviceNumber,
  hostMapping,
  hostNetwork,
  type Mapping,
  readHostTexts,
  type RootfsChoice,
  type RootfsHost,
} from "./host/index.ts";
import type { PullEvent } from "./image/index.ts";
import type { SpecHost } from "./spec/index.ts";
import { isNews, openDatabase } from "./store/database.ts";
import { type Environment, type Paths, storePaths } from "./store/paths.ts";

export interface EngineOptions {
  environment: Environment;
  /** A sentence for the user that needs no action; the command goes on. */
  warn: (message: string) => void;
}

export class Engine implements ContainerContext {
  readonly environment: Environment;
  readonly paths: Paths;
  readonly warn: (message: string) => void;
  readonly #abort = new AbortController();
  #database: Database | undefined;
  #helper: readonly string[] | undefined;
  #mapping: Mapping | undefined;
  #host: SpecHost | undefined;
  #rootfs: RootfsChoice | undefined;
  #report: (event: PullEvent) => void = () => {};

  constructor(options: EngineOptions) {
    this.environment = options.environment;
    this.paths = storePaths(options.environment, process.getuid?.() ?? 0);
    this.warn = options.warn;
  }

  get database(): Database {
    this.#database ??= openDatabase(this.paths);
    return this.#database;
  }

  get helper(): readonly string[] {
    this.#helper ??= helperCommand();
    return this.#helper;
  }

  /** A limited one is told to the user, once in the life of a store. */
  get mapping(): Mapping {
    if (this.#mapping === undefined) {
      this.#mapping = hostMapping(this.environment);
      const { limitation } = this.#mapping;
      if (limitation !== undefined && isNews(this.database, limitation)) this.warn(limitation);
    }
    return this.#mapping;
  }

  get host(): SpecHost {
    this.#host ??= {
      ...readHostTexts(),
      mapping: this.mapping,
      network: hostNetwork,
      cgroupManager: () => cgroupManager(this.environment),
      deviceNumber,
    };
    return this.#host;
  }

  get rootfs(): RootfsChoice {
    this.#rootfs ??= chooseRootfs(this.#rootfsHost, this.environment.TSPOD_ROOTFS);
    return this.#rootfs;
  }

  get hasDataLayers(): boolean {
    return findDataLayers(this.#rootfsHost);
  }

  get #rootfsHost(): RootfsHost {
    const { database, helper, paths, environment } = this;
    return { database, dataDirectory: paths.data, helper, path: environment.PATH };
  }

  /** Aborted when the user gives up (Ctrl-C) while nothing else handles signals. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  abort(): void {
    this.#abort.abort();
  }

  report(event: PullEvent): void {
    this.#report(event);
  }

  /** Where pull progress goes; nowhere until somebody shows it. */
  showProgress(report: (event: PullEvent) => void): void {
    this.#report = report;
  }

  readonly builtinProgram = helloProgram;

  now(): string {
    return new Date().toISOString();
  }

  /** Whoever leaves the process to another command closes the store; whoever ends does not (src/main.ts). */
  close(): void {
    this.#database?.close();
    this.#database = undefined;
  }

  /** Whether anything was asked of the store. */
  get isStoreOpen(): boolean {
    return this.#database !== undefined;
  }
}
