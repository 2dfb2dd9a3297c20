/**
 * policy.json (containers-policy.json(5)): whether an image of that name may be used. Accepting and rejecting are decided
 * here; signatures are not verified, so where one is wanted the image is refused. Pure.
 */
import { TspodError } from "../errors.ts";
import { formatReference, type Reference, repositoryName } from "../oci/index.ts";

export interface Policy {
  /** Types of the requirements: all must be met. */
  readonly fallback: readonly string[];
  /** Scope of the transport "docker" -> the same; "" is all of it. */
  readonly scopes: ReadonlyMap<string, readonly string[]>;
}

/** Throws registries_conf.invalid: who has a policy that cannot be read wants nothing to be used. */
export function parsePolicy(text: string, path: string): Policy {
  const bad = (reason: string, cause?: unknown): TspodError =>
    new TspodError("registries_conf.invalid", `Cannot read "${path}": ${reason}`, {
      next: "see containers-policy.json(5)",
      cause,
    });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw bad("it is not JSON", cause);
  }
  const file = record(value);
  const typesOf = (list: unknown, where: string): string[] => {
    if (!Array.isArray(list) || list.length === 0) throw bad(`${where} has no requirements`);
    return list.map((one: unknown) => {
      const { type } = record(one);
      if (typeof type !== "string") throw bad(`a requirement of ${where} has no type`);
      return type;
    });
  };
  const scopes = Object.entries(record(record(file.transports).docker)).map(
    ([scope, list]) => [scope, typesOf(list, `"${scope}"`)] as const,
  );
  return { fallback: typesOf(file.default, '"default"'), scopes: new Map(scopes) };
}

/** Throws image.refused. */
export function checkPolicy(policy: Policy, reference: Reference, path: string): void {
  const scope = scopesOf(reference).find((one) => policy.scopes.has(one));
  const requirements = scope === undefined ? policy.fallback : (policy.scopes.get(scope) ?? []);
  const name = formatReference(reference);
  const where = scope === undefined ? "its default" : `"${scope || "docker"}"`;
  for (const type of requirements) {
    if (type === "insecureAcceptAnything") continue;
    if (type === "reject") {
      throw new TspodError(
        "image.refused",
        `Cannot use "${name}": "${path}" rejects it (${where})`,
        {
          next: "ask whoever keeps that file",
        },
      );
    }
    const wants = JSON.stringify(type.slice(0, 40));
    throw new TspodError(
      "image.refused",
      `Cannot use "${name}": "${path}" wants a signature (${wants} of ${where}), which tspod cannot verify`,
      { next: "verify it with another tool, and accept it there" },
    );
  }
}

/** The most specific first: the image, its repository, what that lies in, its host, hosts like it, all. */
function scopesOf(reference: Reference): string[] {
  const parts = repositoryName(reference).split("/");
  const within = parts.map((_, i) => parts.slice(0, parts.length - i).join("/"));
  const labels = reference.registry.replace(/:\d+$/, "").split(".");
  const wildcards = labels.slice(1).map((_, i) => `*.${labels.slice(i + 1).join(".")}`);
  return [formatReference(reference), ...within, ...wildcards, ""];
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}
