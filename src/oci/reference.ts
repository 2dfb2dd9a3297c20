/**
 * Image names: the grammar of the distribution project and docker's normalisation of short ones.
 *
 *   reference := [registry "/"] path ("/" path)* [":" tag] ["@" digest]
 *
 * The first component is a registry when it has a dot, a colon, a capital letter or is "localhost"; otherwise the
 * registry is docker.io, whose one-component names live under "library/". No tag and no digest: "latest".
 */
import { TspodError } from "../errors.ts";
import { type Digest, isDigest, parseDigest } from "./digest.ts";

export interface Reference {
  /** "docker.io", "localhost:5000", "[::1]:5000". */
  readonly registry: string;
  /** "library/alpine". */
  readonly repository: string;
  readonly tag?: string;
  readonly digest?: Digest;
}

export const defaultRegistry = "docker.io";
const defaultTag = "latest";
const officialPrefix = "library/";

/** registry and repository together, as the distribution project limits them. */
const nameLengthMax = 255;
/** name + ":" + tag of 128 + "@sha256:" + 64 digits. */
const referenceLengthMax = nameLengthMax + 1 + 128 + 1 + 71;

const pathComponent = "[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*";
const repositoryPattern = new RegExp(`^${pathComponent}(?:/${pathComponent})*$`);
const domainComponent = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])";
const registryPattern = new RegExp(
  `^(?:${domainComponent}(?:\\.${domainComponent})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]{1,5})?$`,
);
const tagPattern = /^\w[\w.-]{0,127}$/;
const identifierPattern = /^[0-9a-f]{64}$/;

/** Parse what a user typed. A digest wins over a tag given beside it. Throws reference.invalid, digest.invalid. */
export function parseReference(text: string): Reference {
  if (text === "") throw invalid(text, "it is empty");
  if (text.length > referenceLengthMax) throw invalid(text, "it is too long");
  const [name, digest] = splitDigest(text);
  const [path, tag] = splitTag(name);
  const { registry, repository } = splitRegistry(path);
  if (!registryPattern.test(registry)) throw invalid(text, `"${registry}" is not a registry`);
  checkRepository(text, repository);
  if (registry.length + 1 + repository.length > nameLengthMax)
    throw invalid(text, "it is too long");
  if (tag !== undefined && !tagPattern.test(tag)) throw invalid(text, `"${tag}" is not a tag`);
  if (digest !== undefined) {
    return {
      registry,
      repository,
      ...(tag === undefined ? {} : { tag }),
      digest: parseDigest(digest),
    };
  }
  return { registry, repository, tag: tag ?? defaultTag };
}

/** "docker.io/library/alpine:latest"; with a digest the tag is left out, for it says nothing more. */
export function formatReference(reference: Reference): string {
  return `${repositoryName(reference)}${suffix(reference)}`;
}

/** "alpine:latest": as docker shows it, without what docker.io implies. */
export function familiarReference(reference: Reference): string {
  return `${familiarName(reference)}${suffix(reference)}`;
}

/** "docker.io/library/alpine". */
export function repositoryName(reference: Pick<Reference, "registry" | "repository">): string {
  return `${reference.registry}/${reference.repository}`;
}

/** "alpine". */
export function familiarName(reference: Pick<Reference, "registry" | "repository">): string {
  if (reference.registry !== defaultRegistry) return repositoryName(reference);
  const rest = reference.repository.slice(officialPrefix.length);
  return reference.repository.startsWith(officialPrefix) && !rest.includes("/")
    ? rest
    : reference.repository;
}

/** Whether the user named a registry: "localhost/x" yes, "x" and "team/x" no. */
export function hasRegistry(text: string): boolean {
  return splitRegistry(splitTag(splitDigest(text)[0])[0]).explicit;
}

/** Whether `text` is a registry's host, with or without a port. */
export function isRegistry(text: string): boolean {
  return text.length <= nameLengthMax && registryPattern.test(text);
}

/** Whether `text` is a repository's name below a registry. */
export function isRepository(text: string): boolean {
  return text.length <= nameLengthMax && repositoryPattern.test(text);
}

function suffix({ tag, digest }: Reference): string {
  if (digest !== undefined) return `@${digest}`;
  return `:${tag ?? defaultTag}`;
}

function splitDigest(text: string): [name: string, digest: string | undefined] {
  const at = text.indexOf("@");
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

/** A colon before the last slash belongs to a port. */
function splitTag(name: string): [path: string, tag: string | undefined] {
  const colon = name.lastIndexOf(":");
  if (colon < 0 || name.indexOf("/", colon) >= 0) return [name, undefined];
  return [name.slice(0, colon), name.slice(colon + 1)];
}

function splitRegistry(path: string): { registry: string; repository: string; explicit: boolean } {
  const slash = path.indexOf("/");
  const first = path.slice(0, Math.max(slash, 0));
  const explicit = slash > 0 && (/[.:A-Z]/.test(first) || first === "localhost");
  const registry = explicit ? canonicalRegistry(first) : defaultRegistry;
  const rest = explicit ? path.slice(slash + 1) : path;
  const isOfficial = registry === defaultRegistry && !rest.includes("/");
  return { registry, repository: isOfficial ? officialPrefix + rest : rest, explicit };
}

/** The old name of docker.io, still found in scripts. */
function canonicalRegistry(registry: string): string {
  return registry === "index.docker.io" ? defaultRegistry : registry;
}

function checkRepository(text: string, repository: string): void {
  const familiar = repository.startsWith(officialPrefix)
    ? repository.slice(officialPrefix.length)
    : repository;
  if (identifierPattern.test(familiar))
    throw invalid(text, "64 hex digits are an image id, not a name");
  if (repositoryPattern.test(repository)) return;
  if (repositoryPattern.test(repository.toLowerCase())) {
    throw invalid(text, "a repository name must be lower case");
  }
  throw invalid(text, `"${familiar}" is not a repository name`);
}

function invalid(text: string, reason: string): TspodError {
  const shown = JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}...` : text);
  return new TspodError("reference.invalid", `Cannot use image name ${shown}: ${reason}`, {
    next: 'write it as in "alpine:3.20" or "registry.example.org/team/app@sha256:..."',
  });
}

/** Whether this can only be an image id or a prefix of one ("sha256:..." or hex digits). */
export function isImageId(text: string): boolean {
  return isDigest(text) || /^(?:sha256:)?[0-9a-f]{2,64}$/.test(text);
}
