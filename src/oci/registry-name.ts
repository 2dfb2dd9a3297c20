/** What `login` is told: a registry, or a namespace or repository of one, whose credentials are filed by themselves. */
import { TspodError } from "../errors.ts";
import { defaultRegistry, isRegistry, isRepository } from "./reference.ts";

export interface RegistryName {
  /** "docker.io", "localhost:5000". */
  readonly registry: string;
  /** "team", "team/app", or "" for all of the registry. */
  readonly namespace: string;
}

/** What docker.io has been called in docker's own files and scripts. */
const hubNames = ["index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"];

/** "quay.io", "quay.io/team", "https://quay.io/". Throws reference.invalid. */
export function parseRegistryName(text: string): RegistryName {
  const bare = text.replace(/^https?:\/\//, "").replace(/\/+$/, "");
  const slash = bare.indexOf("/");
  const host = slash < 0 ? bare : bare.slice(0, slash);
  const registry = hubNames.includes(host) ? defaultRegistry : host;
  const rest = slash < 0 ? "" : bare.slice(slash + 1);
  // docker's own name for its registry is an address with a path
  const namespace = registry === defaultRegistry && /^v[12]$/.test(rest) ? "" : rest;
  if (isRegistry(registry) && (namespace === "" || isRepository(namespace))) {
    return { registry, namespace };
  }
  const shown = JSON.stringify(text.slice(0, 100));
  throw new TspodError("reference.invalid", `Cannot use registry name ${shown}`, {
    next: 'write it as in "quay.io", "localhost:5000" or "quay.io/team"',
  });
}

/** What credentials are filed under: "quay.io/team". */
export function formatRegistryName({ registry, namespace }: RegistryName): string {
  return namespace === "" ? registry : `${registry}/${namespace}`;
}
