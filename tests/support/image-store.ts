/** A store of its own for a test of the image room, worked on in this process by the user who runs the tests. */
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ImageContext, PullEvent } from "../../src/image/index.ts";
import { helperCommand } from "../../src/helper/index.ts";
import { hostMapping } from "../../src/host/index.ts";
import type { TransportLimits } from "../../src/registry/index.ts";
import { openDatabase } from "../../src/store/database.ts";
import { storePaths } from "../../src/store/paths.ts";
import type { Requirement } from "./requirements.ts";
import { until } from "./wait.ts";

export interface TestStore extends AsyncDisposable {
  context: ImageContext;
  root: string;
  events: PullEvent[];
  warnings: string[];
  /** Files and directories of ingest, layers and trash: what a failed pull may not leave. */
  litter(): string[];
  /** There is none, as soon as the process that empties the trash is through. */
  clean(): Promise<void>;
}

export interface StoreOptions {
  /** The registry that stands for docker.io. */
  mirror?: string;
  registriesConf?: string;
  environment?: Record<string, string>;
  limits?: Partial<TransportLimits>;
  signal?: AbortSignal;
  /** An existing store, worked on by one more "process". */
  root?: string;
}

/** No patience: tests do not wait for back-off. */
const quick: Partial<TransportLimits> = { retryDelayMs: 1, retryDelayMsMax: 5 };

export const helperBuilt: Requirement = () => {
  const [program = ""] = helperCommand();
  return existsSync(program) ? undefined : "no helper (npm run build)";
};

export function makeStore(options: StoreOptions = {}): TestStore {
  const root = options.root ?? mkdtempSync(join(tmpdir(), "tspod-store-"));
  const conf = join(root, "registries.conf");
  if (options.root === undefined) {
    writeFileSync(conf, options.registriesConf ?? mirrorConf(options.mirror));
  }
  const environment = {
    ...{ HOME: root, TSPOD_ROOT: root, CONTAINERS_REGISTRIES_CONF: conf },
    ...{ PATH: process.env.PATH ?? "", ...options.environment },
  };
  const paths = storePaths(environment, process.getuid?.() ?? 0);
  const [events, warnings]: [PullEvent[], string[]] = [[], []];
  const database = openDatabase(paths);
  const context: ImageContext = {
    ...{ paths, environment, database },
    helper: helperCommand(),
    mapping: hostMapping(process.env),
    signal: options.signal ?? new AbortController().signal,
    limits: { ...quick, ...options.limits },
    report: (event) => void events.push(event),
    warn: (message) => void warnings.push(message),
  };
  const litter = (): string[] =>
    [paths.ingest, paths.trash, paths.layers].flatMap((directory) =>
      (existsSync(directory) ? readdirSync(directory) : [])
        .filter((name) => directory !== paths.layers || name.startsWith("."))
        .map((name) => join(directory, name)),
    );
  return {
    ...{ context, root, events, warnings, litter },
    clean: async () => void (await until("there is no litter", () => litter().length === 0)),
    async [Symbol.asyncDispose]() {
      database.close();
      // layers hold files of subordinate ids
      await Bun.$`unshare --map-root-user --map-auto -- rm -rf ${root}`.quiet().nothrow();
      rmSync(root, { recursive: true, force: true });
    },
  };
}

function mirrorConf(mirror: string | undefined): string {
  if (mirror === undefined) return "";
  return `[[registry]]
location = "docker.io"
[[registry.mirror]]
location = "${mirror}"
insecure = true
`;
}

/** The code of the TspodError a promise ends with, and the whole of what the user reads. */
export async function failureOf(work: Promise<unknown>): Promise<{ code: string; text: string }> {
  try {
    await work;
  } catch (error) {
    const {
      code = "",
      message,
      next = "",
    } = error as { code?: string; message: string; next?: string };
    return { code, text: next === "" ? message : `${message}\n${next}` };
  }
  throw new Error("it did not fail");
}
