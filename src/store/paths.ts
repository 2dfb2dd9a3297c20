/** Where things lie on disk (XDG Base Directory Specification 0.8). Nothing is created here. */
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";

export interface Paths {
  /** `$XDG_DATA_HOME/tspod`: what must survive a reboot. */
  data: string;
  /** `$XDG_RUNTIME_DIR/tspod`: what a reboot forgets. */
  runtime: string;
  /** `$XDG_CONFIG_HOME/tspod`. */
  config: string;
  /** `$XDG_CACHE_HOME/tspod`. */
  cache: string;
  /** Compiled seccomp filters; the helper keeps it. */
  seccomp: string;
  database: string;
  /** OCI image layout: `blobs/sha256/<hex>` beside `oci-layout`. */
  blobs: string;
  /** Half-downloaded blobs. */
  ingest: string;
  /** `layers/<chain id hex>/`: one unpacked layer each. */
  layers: string;
  /** `mapped/<chain id hex>/`: light trees of all layers up to it, for other ids. */
  mapped: string;
  containers: string;
  /** What lists say of those that do not run: see at-rest.ts. */
  atRest: string;
  volumes: string;
  /** What happened, a line each: see events.ts. */
  events: string;
  /** Renamed here first, deleted at leisure. */
  trash: string;
}

export type Environment = Record<string, string | undefined>;

/** Our own variable: a relative path is one from where the command is run. Undefined: it is not set. */
export function storeRoot({ TSPOD_ROOT: root }: Environment): string | undefined {
  return root === undefined || root === "" ? undefined : resolve(root);
}

/** Of who has no HOME (a service, env -i), as /etc/passwd has it. "/": it does not know him. */
function accountHome(uid: number): string {
  let lines: string[];
  try {
    lines = readFileSync("/etc/passwd", "utf8").split("\n");
  } catch {
    return "/"; // a host without accounts
  }
  const fields = lines.map((line) => line.split(":")).find(([, , id]) => id === String(uid));
  return absolute(fields?.[5]) ?? "/";
}

/** XDG says a relative path is invalid and must be ignored. */
function absolute(value: string | undefined): string | undefined {
  return value !== undefined && value.startsWith("/") ? value : undefined;
}

/**
 * Paths for this user. `TSPOD_ROOT` moves everything below one directory (tests, a second store).
 * Without XDG_RUNTIME_DIR (cron, su) the runtime directory is `/tmp/tspod-<uid>`, made 0700 and checked on use.
 */
export function storePaths(environment: Environment, uid: number): Paths {
  const root = storeRoot(environment);
  const home = absolute(environment.HOME) ?? accountHome(uid);
  const under = (variable: string, fallback: string): string =>
    join(absolute(environment[variable]) ?? fallback, "tspod");
  const data = root ? join(root, "data") : under("XDG_DATA_HOME", join(home, ".local/share"));
  const cache = under("XDG_CACHE_HOME", join(home, ".cache"));
  const runtimeBase = absolute(environment.XDG_RUNTIME_DIR);
  const runtime = root
    ? join(root, "run")
    : runtimeBase
      ? join(runtimeBase, "tspod")
      : `/tmp/tspod-${uid}`;
  return {
    data,
    runtime,
    config: under("XDG_CONFIG_HOME", join(home, ".config")),
    cache,
    seccomp: join(cache, "seccomp"),
    database: join(data, "tspod.db"),
    blobs: join(data, "blobs/sha256"),
    ingest: join(data, "ingest"),
    layers: join(data, "layers"),
    mapped: join(data, "mapped"),
    containers: join(data, "containers"),
    atRest: join(data, "at-rest"),
    volumes: join(data, "volumes"),
    events: join(data, "events.jsonl"),
    trash: join(data, "trash"),
  };
}
