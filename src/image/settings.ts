/** Reading registries.conf with its drop-ins where the ecosystem keeps them. What the texts mean is registry's. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { TspodError } from "../errors.ts";
import { mergeRules, parseRegistriesConf, type RegistryRule } from "../registry/index.ts";
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
