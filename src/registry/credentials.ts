/**
 * auth.json and docker's config.json (containers-auth.json(5)): text -> credentials for a registry or repository.
 * Pure; reading the files and starting credential helpers is the caller's.
 */
import { TspodError } from "../errors.ts";

export type Credentials =
  | { readonly kind: "password"; readonly username: string; readonly password: string }
  /** An OAuth2 refresh token, as `docker login` stores it. */
  | { readonly kind: "identity"; readonly token: string };

export interface AuthFile {
  /** Key as written ("quay.io", "quay.io/team", "https://index.docker.io/v1/") -> credentials. */
  readonly auths: ReadonlyMap<string, Credentials>;
  /** Registry -> the name of its helper program, without "docker-credential-". */
  readonly helpers: ReadonlyMap<string, string>;
  /** The helper for every registry, or "". */
  readonly store: string;
}

/** Throws registry.unauthorized naming `path`: wrong credentials must not silently become none. */
export function parseAuthFile(text: string, path: string): AuthFile {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new TspodError("registry.unauthorized", `Cannot read "${path}": it is not JSON`, {
      next: "mend it, or remove it and log in again",
      cause,
    });
  }
  const file = record(value);
  const auths = new Map<string, Credentials>();
  for (const [key, entry] of Object.entries(record(file.auths))) {
    const credentials = parseEntry(record(entry));
    if (credentials !== undefined) auths.set(key, credentials);
  }
  const helpers = new Map<string, string>();
  for (const [key, name] of Object.entries(record(file.credHelpers))) {
    if (typeof name === "string" && isHelperName(name)) helpers.set(key, name);
  }
  const store = typeof file.credsStore === "string" && isHelperName(file.credsStore);
  return { auths, helpers, store: store ? String(file.credsStore) : "" };
}

function parseEntry(entry: Record<string, unknown>): Credentials | undefined {
  if (typeof entry.identitytoken === "string" && entry.identitytoken !== "") {
    return { kind: "identity", token: entry.identitytoken };
  }
  if (typeof entry.auth === "string" && entry.auth !== "") {
    const text = Buffer.from(entry.auth, "base64").toString("utf8");
    const colon = text.indexOf(":");
    // docker pads passwords with NUL
    const password = text.slice(colon + 1).replace(/\0+$/, "");
    if (colon > 0) return { kind: "password", username: text.slice(0, colon), password };
  }
  if (typeof entry.username === "string" && typeof entry.password === "string") {
    return { kind: "password", username: entry.username, password: entry.password };
  }
  return undefined;
}

/** What a helper prints for `get`; undefined when it has none. */
export function parseHelperAnswer(text: string): Credentials | undefined {
  try {
    const { Username: username, Secret: secret } = record(JSON.parse(text));
    if (typeof username !== "string" || typeof secret !== "string") return undefined;
    return credentialsOf(username, secret);
  } catch {
    return undefined; // "credentials not found in native keychain" is said in plain text
  }
}

/**
 * The text of an auth file in which `key` has these credentials, or none (null); what else it holds stays as it is.
 * Throws registry.unauthorized when it is not an auth file.
 */
export function changeAuthFile(
  text: string,
  path: string,
  { key, credentials }: { key: string; credentials: Credentials | null },
): string {
  if (text.trim() !== "") parseAuthFile(text, path);
  const file = record(text.trim() === "" ? {} : JSON.parse(text));
  const auths = { ...record(file.auths) };
  delete auths[key];
  if (credentials !== null) auths[key] = formatEntry(credentials);
  return `${JSON.stringify({ ...file, auths }, null, "\t")}\n`;
}

/** The keys of a file that are this registry or namespace, however docker has spelt them. */
export function keysFor(file: AuthFile, name: string): string[] {
  const same = (key: string): boolean => {
    const host = /^https?:\/\/([^/]+)/.exec(key)?.[1] ?? key;
    return key === name || host === name || (name === "docker.io" && host === "index.docker.io");
  };
  return [...file.auths.keys()].filter(same);
}

function formatEntry(credentials: Credentials): object {
  const pair = (username: string, password: string): string =>
    Buffer.from(`${username}:${password}`).toString("base64");
  if (credentials.kind === "password") {
    return { auth: pair(credentials.username, credentials.password) };
  }
  return { auth: pair(identityUser, ""), identitytoken: credentials.token };
}

/** The user name that says: what follows is an identity token (docker-credential-helpers). */
export const identityUser = "<token>";

/** A user name and a secret as people and helpers give them. */
export function credentialsOf(username: string, secret: string): Credentials {
  return username === identityUser
    ? { kind: "identity", token: secret }
    : { kind: "password", username, password: secret };
}

/** The keys a repository's credentials may be under, the most specific first. */
export function credentialKeys(registry: string, repository: string): string[] {
  const parts = repository.split("/");
  const keys = parts.map((_, i) => [registry, ...parts.slice(0, parts.length - i)].join("/"));
  keys.push(registry);
  if (registry === "docker.io") keys.push("index.docker.io", "registry-1.docker.io");
  return keys;
}

/** Credentials of one file for a repository; keys may carry a scheme and a path, as docker writes them. */
export function findCredentials(
  file: AuthFile,
  registry: string,
  repository: string,
): Credentials | undefined {
  const keys = credentialKeys(registry, repository);
  for (const key of keys) {
    const found = file.auths.get(key);
    if (found !== undefined) return found;
  }
  for (const [key, credentials] of file.auths) {
    const host = /^https?:\/\/([^/]+)/.exec(key)?.[1];
    if (host !== undefined && keys.includes(host)) return credentials;
  }
  return undefined;
}

/** It becomes part of a program's name. */
function isHelperName(name: string): boolean {
  return /^[A-Za-z0-9_.-]{1,64}$/.test(name);
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}
