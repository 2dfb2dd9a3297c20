/**
 * registries.conf version 2 (containers-registries.conf(5)): text -> rules, and rules -> the places to ask for a
 * reference. Pure. What a name without a registry means is short-names.ts's.
 */
import { TspodError } from "../errors.ts";
import { type Reference, repositoryName } from "../oci/index.ts";
import { parseConfText } from "./conf-text.ts";

export interface RegistryRule {
  /** "docker.io", "quay.io/team", "*.example.org". */
  readonly prefix: string;
  /** What replaces the prefix; "" when nothing does. */
  readonly location: string;
  readonly isInsecure: boolean;
  readonly isBlocked: boolean;
  readonly mirrors: readonly Mirror[];
}

export interface Mirror {
  readonly location: string;
  readonly isInsecure: boolean;
  readonly use: "all" | "digest-only" | "tag-only";
}

/** One place to ask: a registry's host and the repository's name there. */
export interface Endpoint {
  /** "registry-1.docker.io", "127.0.0.1:5000". */
  readonly host: string;
  readonly repository: string;
  /** TLS is not verified, and plain HTTP is tried when TLS fails. */
  readonly isInsecure: boolean;
  /** TLS was asked for by name, even on this machine. */
  readonly isStrict?: boolean;
  readonly isMirror: boolean;
  /** What credentials are filed under: "docker.io", and for a mirror its own host. */
  readonly registry: string;
}

type Name = Pick<Reference, "registry" | "repository" | "digest">;

const ruleCountMax = 1_000;

/** Throws registries_conf.invalid, naming `path`. */
export function parseRegistriesConf(text: string, path: string): RegistryRule[] {
  const { value, bad } = parseConfText(text, path);
  if (typeof value.registries === "object") throw bad("version 1 of its format is no longer used");
  const tables = value.registry ?? [];
  if (!Array.isArray(tables)) throw bad('"registry" should be written [[registry]]');
  if (tables.length > ruleCountMax) throw bad(`more than ${ruleCountMax} registries`);
  return tables.map((table: unknown, i) => {
    try {
      return parseRule(table as Record<string, unknown>); // an array of tables, in TOML
    } catch (cause) {
      throw bad(`registry ${i + 1}: ${(cause as Error).message}`, cause);
    }
  });
}

function parseRule(table: Record<string, unknown>): RegistryRule {
  const location = trimSlash(text(table, "location"));
  const prefix = trimSlash(text(table, "prefix")) || location;
  if (prefix === "") throw new Error('it has neither "prefix" nor "location"');
  if (location === "" && !prefix.startsWith("*.")) throw new Error('it has no "location"');
  const digestOnly = flag(table, "mirror-by-digest-only");
  const mirrors = table.mirror ?? [];
  if (!Array.isArray(mirrors)) throw new Error('"mirror" should be written [[registry.mirror]]');
  return {
    prefix,
    location,
    isInsecure: flag(table, "insecure"),
    isBlocked: flag(table, "blocked"),
    mirrors: mirrors.map((mirror) => parseMirror(mirror as Record<string, unknown>, digestOnly)),
  };
}

function parseMirror(table: Record<string, unknown>, digestOnly: boolean): Mirror {
  const location = trimSlash(text(table, "location"));
  if (location === "") throw new Error('a mirror has no "location"');
  const use = text(table, "pull-from-mirror") || (digestOnly ? "digest-only" : "all");
  if (use !== "all" && use !== "digest-only" && use !== "tag-only") {
    throw new Error(`pull-from-mirror = "${use}" is none of all, digest-only, tag-only`);
  }
  return { location, isInsecure: flag(table, "insecure"), use };
}

function text(table: Record<string, unknown>, name: string): string {
  const value = table[name] ?? "";
  if (typeof value !== "string") throw new Error(`"${name}" should be a string`);
  return value;
}

function flag(table: Record<string, unknown>, name: string): boolean {
  const value = table[name] ?? false;
  if (typeof value !== "boolean") throw new Error(`"${name}" should be true or false`);
  return value;
}

function trimSlash(location: string): string {
  if (/^https?:\/\//.test(location)) throw new Error(`"${location}" should be without a scheme`);
  return location.replace(/\/+$/, "");
}

/** Later files win over earlier ones with the same prefix, as drop-in directories do. */
export function mergeRules(files: readonly (readonly RegistryRule[])[]): RegistryRule[] {
  const byPrefix = new Map<string, RegistryRule>();
  for (const rule of files.flat()) byPrefix.set(rule.prefix, rule);
  return [...byPrefix.values()];
}

/** Where to ask for `reference`, in order: mirrors, then the registry itself. Throws registry.failed when blocked. */
export function endpoints(rules: readonly RegistryRule[], reference: Name): Endpoint[] {
  const name = repositoryName(reference);
  const rule = ruleFor(rules, name);
  if (rule === undefined) return [origin(name, false)];
  if (rule.isBlocked) {
    throw new TspodError(
      "registry.failed",
      `Cannot use "${rule.prefix}": registries.conf blocks it`,
      { next: "choose another registry, or remove blocked = true" },
    );
  }
  const rest = name.slice(matchLength(rule.prefix, name));
  const wanted = reference.digest === undefined ? "tag-only" : "digest-only";
  const mirrors = rule.mirrors
    .filter(({ use }) => use === "all" || use === wanted)
    .map((mirror) => ({ ...origin(mirror.location + rest, mirror.isInsecure), isMirror: true }));
  const location = rule.location === "" ? name : rule.location + rest;
  return [...mirrors, origin(location, rule.isInsecure)];
}

export function isBlocked(rules: readonly RegistryRule[], reference: Name): boolean {
  return ruleFor(rules, repositoryName(reference))?.isBlocked === true;
}

/** The one with the longest prefix. */
function ruleFor(rules: readonly RegistryRule[], name: string): RegistryRule | undefined {
  return rules
    .filter(({ prefix }) => matchLength(prefix, name) > 0)
    .sort((a, b) => b.prefix.length - a.prefix.length)[0];
}

/** How much of `name` the prefix covers; 0 when it does not match. A wildcard covers the host. */
function matchLength(prefix: string, name: string): number {
  if (prefix.startsWith("*.")) {
    const end = name.indexOf("/");
    const host = name.slice(0, end).replace(/:\d+$/, "");
    return host.endsWith(prefix.slice(1)) ? end : 0;
  }
  return name === prefix || (name.startsWith(prefix) && /[/:]/.test(name[prefix.length] ?? ""))
    ? prefix.length
    : 0;
}

function origin(name: string, isInsecure: boolean): Endpoint {
  const slash = name.indexOf("/");
  const registry = slash < 0 ? name : name.slice(0, slash);
  return {
    host: registry === "docker.io" ? "registry-1.docker.io" : registry,
    repository: slash < 0 ? "" : name.slice(slash + 1),
    isInsecure,
    isMirror: false,
    registry,
  };
}

/** docker's rule: a registry on this machine may be plain HTTP without anybody saying so. */
export function isLoopback(host: string): boolean {
  const name = host.replace(/:\d+$/, "");
  return name === "localhost" || name === "[::1]" || /^127(?:\.\d{1,3}){3}$/.test(name);
}
