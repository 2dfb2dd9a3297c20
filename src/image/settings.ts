/** Reading registries.conf with its drop-ins, and policy.json, where the ecosystem keeps them. What the texts mean is registry's. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { TspodError } from "../errors.ts";
import type { Reference } from "../oci/index.ts";
import {
  checkPolicy,
  mergeRules,
  mergeShortNames,
  parsePolicy,
  parseRegistriesConf,
  parseShortNames,
  type RegistryRule,
  type ShortNames,
} from "../registry/index.ts";
import type { Environment } from "../store/paths.ts";

/** What the files say of registries. Throws registries_conf.invalid. */
export function readRegistryRules(environment: Environment): RegistryRule[] {
  return mergeRules(
    configFiles(environment).map(({ text, path }) => parseRegistriesConf(text, path)),
  );
}

/** What the same files, and those that only have aliases, say of names without a registry. */
export function readShortNames(environment: Environment): ShortNames {
  const cache = environment.XDG_CACHE_HOME || join(environment.HOME ?? "/", ".cache");
  const chosen = join(cache, "containers/short-name-aliases.conf"); // what podman was told when it asked
  const files = configFiles(environment);
  const all = [
    ...files,
    ...(isExplicit(environment) ? [] : [{ path: chosen, text: read(chosen) }]),
  ];
  return mergeShortNames(all.map(({ text, path }) => parseShortNames(text, path)));
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
