/** Logging in to registries and out again: credentials are proven before they are kept, and kept where podman keeps them. */
import { existsSync } from "node:fs";
import { TspodError } from "../errors.ts";
import { formatRegistryName, parseRegistryName, type RegistryName } from "../oci/index.ts";
import { type Credentials, endpoints, findCredentials, keysFor } from "../registry/index.ts";
import { asAsked, openRegistry, type RegistryAccess } from "./access.ts";
import {
  authFilePath,
  authFilePaths,
  credentialFinder,
  helperOf,
  keyIn,
  readAuthFile,
  writeAuthEntry,
} from "./auth-files.ts";
import type { ImageContext } from "./context.ts";
import { eraseByHelper, storeByHelper } from "./credential-helper.ts";
import { readRegistryRules } from "./settings.ts";

export { credentialsOf, identityUser } from "../registry/index.ts";

export interface LoggedIn {
  /** The file that has the entry, or names the helper that keeps it. */
  readonly path: string;
  /** "" when the file itself keeps it. */
  readonly helper: string;
}

/** Prove `credentials` and keep them. Throws registry.* when the registry does not take them, or they cannot be kept. */
export async function logIn(
  context: ImageContext,
  name: RegistryName,
  credentials: Credentials,
  access: RegistryAccess = {},
): Promise<LoggedIn> {
  await proveCredentials(context, name, credentials, access);
  const { environment, database } = context;
  const path = authFilePath(environment, access.authFile);
  const file = readAuthFile(path);
  const helper = name.namespace === "" ? helperOf(file, name.registry) : "";
  if (helper !== "") {
    await storeByHelper(
      { name: helper, environment, isRequired: true },
      name.registry,
      credentials,
    );
    return { path, helper };
  }
  const keys = [keyIn(path, formatRegistryName(name))];
  writeAuthEntry(database, path, { keys, credentials });
  return { path, helper };
}

/** Throws registry.unauthorized when the registry does not take them, and whatever keeps it from being asked. */
export async function proveCredentials(
  context: ImageContext,
  { registry, namespace }: RegistryName,
  credentials: Credentials,
  access: RegistryAccess = {},
): Promise<void> {
  const client = openRegistry(context, { ...access, credentials });
  const rules = readRegistryRules(context.environment);
  const [origin] = endpoints(rules, { registry, repository: namespace }).slice(-1);
  if (origin === undefined) throw new RangeError("no endpoint"); // the origin is always one
  const endpoint = asAsked({ ...origin, repository: "" }, access);
  const failing = { what: registry, registry, verb: "log in to" };
  const refused = (cause?: unknown): TspodError =>
    new TspodError(
      "registry.unauthorized",
      `Cannot log in to "${registry}": it does not take this user name and password`,
      { next: "check both; some registries want a token instead of the password", cause },
    );
  try {
    const response = await client.send(endpoint, { path: "/v2/", failing });
    if (response.status === 401 || response.status === 403) throw refused();
    if (!response.ok) throw await client.refusal(response, failing);
    await response.body?.cancel();
  } catch (error) {
    const isRefusal = error instanceof TspodError && error.code === "registry.unauthorized";
    throw isRefusal ? refused(error) : error;
  }
}

/** Who is known there, by any of the files. */
export function knownCredentials(
  { environment }: ImageContext,
  { registry, namespace }: RegistryName,
  { authFile }: RegistryAccess,
): Promise<Credentials | undefined> {
  return credentialFinder(environment, authFile)({ registry, repository: namespace });
}

/** Forget who we are there. Throws registry.unauthorized when nobody was known. */
export async function logOut(
  context: ImageContext,
  name: RegistryName,
  { authFile }: RegistryAccess = {},
): Promise<void> {
  const { environment, database } = context;
  const path = authFilePath(environment, authFile);
  const file = readAuthFile(path);
  const helper = name.namespace === "" ? helperOf(file, name.registry) : "";
  const keys = file === undefined ? [] : keysFor(file, formatRegistryName(name));
  if (helper !== "") {
    await eraseByHelper({ name: helper, environment, isRequired: true }, name.registry);
  }
  if (keys.length > 0) writeAuthEntry(database, path, { keys, credentials: null });
  if (helper !== "" || keys.length > 0) return;
  const shown = formatRegistryName(name);
  const other = authFilePaths(environment, authFile).find(
    (one) => one !== path && knows(one, name),
  );
  throw new TspodError("registry.unauthorized", `Not logged in to "${shown}"`, {
    next:
      other === undefined
        ? `tspod login ${shown}`
        : `its credentials are in "${other}": remove them with --authfile ${other}`,
  });
}

function knows(path: string, { registry, namespace }: RegistryName): boolean {
  const file = readAuthFile(path);
  return file !== undefined && findCredentials(file, registry, namespace) !== undefined;
}

/** Forget everything the file keeps, also by its helpers. */
export async function logOutEverywhere(
  context: ImageContext,
  { authFile }: RegistryAccess = {},
): Promise<void> {
  const { environment, database } = context;
  const path = authFilePath(environment, authFile);
  const file = existsSync(path) ? readAuthFile(path) : undefined;
  if (file === undefined) return;
  for (const [registry, name] of file.helpers) {
    await eraseByHelper({ name, environment, isRequired: true }, registry);
  }
  const keys = [...file.auths.keys()];
  for (const key of file.store === "" ? [] : keys) {
    const { registry } = parseRegistryName(key);
    await eraseByHelper({ name: file.store, environment, isRequired: true }, registry);
  }
  if (keys.length > 0) writeAuthEntry(database, path, { keys, credentials: null });
}
