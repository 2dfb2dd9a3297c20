/**
 * auth.json, docker's config.json and the credential helpers they name (containers-auth.json(5)): where they are, in
 * what order they are asked, and how they are changed. What the texts mean is registry's.
 */
import type { Database } from "bun:sqlite";
import { mkdirSync, realpathSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { TspodError } from "../errors.ts";
import { writeFileAtomic } from "../lib/atomic-file.ts";
import {
  type AuthFile,
  changeAuthFile,
  type Credentials,
  type Endpoint,
  findCredentials,
  parseAuthFile,
} from "../registry/index.ts";
import { transact } from "../store/database.ts";
import type { Environment } from "../store/paths.ts";
import { askHelper } from "./credential-helper.ts";
import { configHome, read } from "./settings.ts";

/** The first file that knows the registry wins; a helper is asked where a file names one. */
export function credentialFinder(
  environment: Environment,
  explicit?: string,
): (endpoint: Pick<Endpoint, "registry" | "repository">) => Promise<Credentials | undefined> {
  let files: AuthFile[] | undefined;
  return async ({ registry, repository }) => {
    files ??= authFilePaths(environment, explicit).flatMap((path) => readAuthFile(path) ?? []);
    for (const file of files) {
      const found =
        findCredentials(file, registry, repository) ??
        (await helperCredentials(file, registry, environment));
      if (found !== undefined) return found;
    }
    return undefined;
  };
}

/** Undefined when it is not there. Throws registry.unauthorized, registries_conf.invalid. */
export function readAuthFile(path: string): AuthFile | undefined {
  const text = read(path);
  return text.trim() === "" ? undefined : parseAuthFile(text, path);
}

/** Where `login` writes: what was said, else what podman writes. */
export function authFilePath(environment: Environment, explicit?: string): string {
  const said = explicit || environment.REGISTRY_AUTH_FILE;
  if (said) return said;
  const runtime = environment.XDG_RUNTIME_DIR;
  return join(runtime ? runtime : configHome(environment), "containers/auth.json");
}

export function authFilePaths(environment: Environment, explicit?: string): string[] {
  const said = explicit || environment.REGISTRY_AUTH_FILE;
  if (said) return [said];
  const docker = environment.DOCKER_CONFIG || join(environment.HOME ?? "/", ".docker");
  return [
    authFilePath(environment),
    join(configHome(environment), "containers/auth.json"),
    join(docker, "config.json"),
  ];
}

/** The helper that keeps this registry's credentials for a file; "" when the file keeps them itself. */
export function helperOf(file: AuthFile | undefined, registry: string): string {
  return file === undefined ? "" : file.helpers.get(registry) || file.store;
}

/** docker's own file calls docker.io by an address of old. */
export function keyIn(path: string, name: string): string {
  const isDockers = basename(path) === "config.json";
  return isDockers && name === "docker.io" ? "https://index.docker.io/v1/" : name;
}

/**
 * One entry of an auth file, set or (null) removed; mode 0600, replaced by rename; a link stays one. Of two at a time
 * each sees the other's: the store's lock is held meanwhile.
 */
export function writeAuthEntry(
  database: Database,
  path: string,
  changes: { keys: readonly string[]; credentials: Credentials | null },
): void {
  const work = (): void => {
    let text = read(path);
    for (const key of changes.keys) {
      text = changeAuthFile(text, path, { key, credentials: changes.credentials });
    }
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    writeFileAtomic(followed(path), text, { mode: 0o600, durable: true });
  };
  try {
    transact(database, work, { durable: false });
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (cause instanceof TspodError || code === undefined) throw cause;
    if (code.startsWith("SQLITE")) throw cause;
    throw new TspodError("registry.unauthorized", `Cannot write "${path}" (${code})`, {
      next: "make its directory writable, or name another file with --authfile",
      cause,
    });
  }
}

/** Configuration is often a link into somebody's repository of such files. */
function followed(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path; // it is not there yet
  }
}

async function helperCredentials(
  file: AuthFile,
  registry: string,
  environment: Environment,
): Promise<Credentials | undefined> {
  const name = helperOf(file, registry);
  if (name === "") return undefined;
  return askHelper({ name, environment, isRequired: file.helpers.has(registry) }, registry);
}
