/** Reading registries.conf with its drop-ins, and policy.json, where the ecosystem keeps them. What the texts mean is registry's. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { TspodError } from "../errors.ts";
import { hasRegistry, parseReference, type Reference } from "../oci/index.ts";
import {
  checkPolicy,
  mergeRules,
  mergeShortNames,
  parsePolicy,
  parseRegistriesConf,
  parseShortNames,
  type RegistryRule,
  resolveShortName,
  type ShortNames,
} from "../registry/index.ts";
import type { Environment } from "../store/paths.ts";

/**
 * Reading TOML takes longer than asking a registry, and distributions have a long file of aliases: what cannot tell
 * anything of what is asked is not read. A key of the first level begins a line, alone or as the name of a table.
 */
const mayTellOfRegistries = /(^[ \t]*|\[[ \t]*)["']?registr|\\/m;

function mayTellOfName(text: string, name: string): boolean {
  return text.includes(name) || text.includes("-search-registries") || text.includes("\\");
}

/** What the files say of registries. Throws registries_conf.invalid. */
export function readRegistryRules(environment: Environment): RegistryRule[] {
  return mergeRules(
    configFiles(environment)
      .filter(({ text }) => mayTellOfRegistries.test(text))
      .map(({ text, path }) => parseRegistriesConf(text, path)),
  );
}

/**
 * The references that a name may stand for, in the order in which they are tried; the files are read only for one without
 * a registry. Throws reference.invalid, registries_conf.invalid.
 */
export function referencesOf(environment: Environment, text: string): Reference[] {
  if (hasRegistry(text)) return [parseReference(text)];
  return resolveShortName(readShortNames(environment, text), text);
}

/**
 * What the same files, and those that only have aliases, say of names without a registry; when `text` is given, of that
 * one at least.
 */
export function readShortNames(environment: Environment, text = ""): ShortNames {
  const [name = ""] = text.split(/[:@]/);
  const cache = environment.XDG_CACHE_HOME || join(environment.HOME ?? "/", ".cache");
  const chosen = join(cache, "containers/short-name-aliases.conf"); // what podman was told when it asked
  const files = configFiles(environment);
  const all = [
    ...files,
    ...(isExplicit(environment) ? [] : [{ path: chosen, text: read(chosen) }]),
  ];
  const telling = all.filter((file) => mayTellOfName(file.text, name));
  return mergeShortNames(telling.map((file) => parseShortNames(file.text, file.path)));
}

/** Whether an image of that name may be used. Throws image.refused, registries_conf.invalid. */
export function requireAllowed(environment: Environment, reference: Reference): void {
  const paths = [
    join(configHome(environment), "containers/policy.json"),
    "/etc/containers/policy.json",
  ];
  for (const path of paths) {
    const text = read(path);
    if (text !== "") return checkPolicy(parsePolicy(text, path), reference, path);
  }
}

function isExplicit(environment: Environment): boolean {
  return Boolean(environment.CONTAINERS_REGISTRIES_CONF);
}

/** A user's registries.conf replaces the system's; drop-ins of both are added, by name. */
function configFiles(environment: Environment): { path: string; text: string }[] {
  const explicit = environment.CONTAINERS_REGISTRIES_CONF;
  if (explicit) return [{ path: explicit, text: read(explicit, { required: true }) }];
  const user = join(configHome(environment), "containers");
  const system = "/etc/containers";
  const files = [join(user, "registries.conf"), join(system, "registries.conf")];
  const main = files.find((path) => read(path) !== "");
  const dropIns = [system, user].flatMap((base) => listConf(join(base, "registries.conf.d")));
  return [...(main === undefined ? [] : [main]), ...dropIns].map((path) => ({
    path,
    text: read(path),
  }));
}

export function configHome(environment: Environment): string {
  return environment.XDG_CONFIG_HOME || join(environment.HOME ?? "/", ".config");
}

/** "" when it is not there, or empty. Throws registries_conf.invalid when it is there and cannot be read. */
export function read(path: string, { required = false } = {}): string {
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
