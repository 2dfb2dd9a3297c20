/**
 * Reading what the ecosystem keeps about registries: registries.conf with its drop-ins, auth.json, docker's
 * config.json and the credential helpers it names. Only reads; what the texts mean is registry's.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { TspodError } from "../errors.ts";
import {
  type AuthFile,
  type Credentials,
  type Endpoint,
  findCredentials,
  mergeRules,
  parseAuthFile,
  parseHelperAnswer,
  parseRegistriesConf,
  type RegistryRule,
} from "../registry/index.ts";
import type { Environment } from "../store/paths.ts";

/** A user's registries.conf replaces the system's; drop-ins of both are added, by name. */
export function readRegistryRules(environment: Environment): RegistryRule[] {
  const explicit = environment.CONTAINERS_REGISTRIES_CONF;
  if (explicit)
    return mergeRules([parseRegistriesConf(read(explicit, { required: true }), explicit)]);
  const user = join(configHome(environment), "containers");
  const system = "/etc/containers";
  const files = [join(user, "registries.conf"), join(system, "registries.conf")];
  const main = files.find((path) => read(path) !== "");
  const dropIns = [system, user].flatMap((base) => listConf(join(base, "registries.conf.d")));
  return mergeRules(
    [...(main === undefined ? [] : [main]), ...dropIns].map((path) =>
      parseRegistriesConf(read(path), path),
    ),
  );
}

/** containers-auth.json(5): the first file that knows the registry wins; a helper is asked where a file names one. */
export function credentialFinder(
  environment: Environment,
): (endpoint: Endpoint) => Promise<Credentials | undefined> {
  let files: AuthFile[] | undefined;
  return async ({ registry, repository }) => {
    files ??= authFilePaths(environment).flatMap((path) => {
      const text = read(path);
      return text === "" ? [] : [parseAuthFile(text, path)];
    });
    for (const file of files) {
      const found =
        findCredentials(file, registry, repository) ??
        (await askHelper(file, registry, environment));
      if (found !== undefined) return found;
    }
    return undefined;
  };
}

function authFilePaths(environment: Environment): string[] {
  if (environment.REGISTRY_AUTH_FILE) return [environment.REGISTRY_AUTH_FILE];
  const runtime = environment.XDG_RUNTIME_DIR;
  return [
    ...(runtime ? [join(runtime, "containers/auth.json")] : []),
    join(configHome(environment), "containers/auth.json"),
    join(environment.DOCKER_CONFIG || join(environment.HOME ?? "/", ".docker"), "config.json"),
  ];
}

/** A helper may ask the user to unlock a keyring. */
const helperTimeoutMs = 60_000;

async function askHelper(
  file: AuthFile,
  registry: string,
  environment: Environment,
): Promise<Credentials | undefined> {
  const name = file.helpers.get(registry) || file.store;
  if (name === "") return undefined;
  const program = Bun.which(`docker-credential-${name}`, { PATH: environment.PATH ?? "" });
  if (program === null) {
    if (!file.helpers.has(registry)) return undefined;
    throw new TspodError(
      "registry.unauthorized",
      `Cannot log in to ${registry}: its credential helper "docker-credential-${name}" is not installed`,
      { next: "install it, or remove it from credHelpers in auth.json" },
    );
  }
  const server = registry === "docker.io" ? "https://index.docker.io/v1/" : registry;
  const child = Bun.spawn([program, "get"], {
    stdin: Buffer.from(server),
    stderr: "ignore",
    env: environment,
    timeout: helperTimeoutMs,
  });
  const answer = await child.stdout.text();
  return (await child.exited) === 0 ? parseHelperAnswer(answer) : undefined;
}

function configHome(environment: Environment): string {
  return environment.XDG_CONFIG_HOME || join(environment.HOME ?? "/", ".config");
}

/** "" when it is not there, or empty. Throws registries_conf.invalid when it is there and cannot be read. */
function read(path: string, { required = false } = {}): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    const { code = "" } = cause as { code?: string };
    if (!required && (code === "ENOENT" || code === "ENOTDIR")) return "";
    throw new TspodError("registries_conf.invalid", `Cannot read "${path}" (${code})`, {
      next: "make it readable, or remove it",
      cause,
    });
  }
}

function listConf(directory: string): string[] {
  try {
    const names = readdirSync(directory).filter((name) => name.endsWith(".conf"));
    return names.sort().map((name) => join(directory, name));
  } catch {
    return []; // no such directory: no drop-ins
  }
}
