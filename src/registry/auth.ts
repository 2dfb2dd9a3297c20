/**
 * Who we are to a registry: nobody, a name and password, or the bearer of a token (distribution's token protocol).
 * Tokens live as long as the process and their own expiry say.
 */
import { TspodError } from "../errors.ts";
import { type Challenge, parseChallenges } from "./challenge.ts";
import type { Credentials } from "./credentials.ts";
import { type Failing, responseError } from "./errors.ts";
import { askForText } from "./body.ts";
import { type Endpoint, isLoopback } from "./registries-conf.ts";
import type { Transport } from "./transport.ts";

/** What a token protocol's answer is allowed to weigh: real ones are 2-5 KB. */
const tokenSizeBytesMax = 256 * 1024;
/** The protocol's default when the answer does not say. */
const tokenLifetimeDefaultS = 60;
/** Renewed this long before it ends. */
const tokenMarginS = 5;

export type FindCredentials = (endpoint: Endpoint) => Promise<Credentials | undefined>;

export interface Authenticator {
  /** The Authorization header for reading `endpoint`'s repository, or undefined when none is known to be needed. */
  header(endpoint: Endpoint): Promise<string | undefined>;
  /**
   * Learn what a 401 wants that `used` (what `header` gave) did not satisfy. False: nothing more can be tried.
   * Throws registry.* errors.
   */
  answer(endpoint: Endpoint, refused: Refused): Promise<boolean>;
}

export interface Refused {
  readonly response: Response;
  readonly used: string | undefined;
  readonly failing: Failing;
}

interface Grant {
  readonly header: string;
  readonly expiresAtMs: number;
}

/** What a registry has once asked for: when that has expired, it is got anew before the next request. */
interface Access {
  readonly grant: Promise<Grant>;
  readonly renew: () => Promise<Grant>;
}

export function createAuthenticator(
  transport: Transport,
  findCredentials: FindCredentials,
  scopes: readonly string[] = [],
): Authenticator {
  /** One promise a repository: parallel requests ask for one token. */
  const grants = new Map<string, Access>();
  const keyOf = (endpoint: Endpoint): string => `${endpoint.host}/${endpoint.repository}`;

  async function header(endpoint: Endpoint): Promise<string | undefined> {
    const key = keyOf(endpoint);
    const access = grants.get(key);
    if (access === undefined) return undefined;
    const grant = await access.grant;
    if (grant.expiresAtMs > Date.now()) return grant.header;
    if (grants.get(key) === access) take(key, access.renew); // else another request has
    return (await grants.get(key)?.grant)?.header;
  }

  async function answer(
    endpoint: Endpoint,
    { response, used = "", failing }: Refused,
  ): Promise<boolean> {
    const key = keyOf(endpoint);
    const current = (await grants.get(key)?.grant)?.header ?? "";
    // a request beside this one has learnt it meanwhile
    if (current !== "" && current !== used) return true;
    const challenges = parseChallenges(response.headers.get("www-authenticate") ?? "");
    const grant = take(key, () => authenticate(endpoint, challenges, failing));
    return (await grant).header !== "";
  }

  function take(key: string, renew: () => Promise<Grant>): Promise<Grant> {
    const grant = renew();
    const access = { grant, renew };
    grants.set(key, access);
    grant.catch(() => grants.get(key) === access && grants.delete(key));
    return grant;
  }

  async function authenticate(
    endpoint: Endpoint,
    challenges: readonly Challenge[],
    failing: Failing,
  ): Promise<Grant> {
    const credentials = await findCredentials(endpoint);
    const bearer = challenges.find(({ scheme }) => scheme === "bearer");
    if (bearer !== undefined) return fetchToken(endpoint, bearer, credentials, failing);
    if (challenges.some(({ scheme }) => scheme === "basic") && credentials?.kind === "password") {
      return { header: basic(credentials), expiresAtMs: Infinity };
    }
    return { header: "", expiresAtMs: Infinity };
  }

  /** distribution: docs/spec/auth/token.md, and oauth.md for identity tokens. */
  async function fetchToken(
    endpoint: Endpoint,
    { parameters }: Challenge,
    credentials: Credentials | undefined,
    failing: Failing,
  ): Promise<Grant> {
    const realm = tokenService(parameters.get("realm") ?? "", endpoint, failing);
    const service = parameters.get("service") ?? "";
    const scope = mergeScopes([...wantedScopes(parameters, endpoint), ...scopes]).join(" ");
    const base = { endpoint, failing: { ...failing, registry: realm.host } };
    let ask: () => Promise<Response>;
    if (credentials?.kind === "identity") {
      const form = {
        grant_type: "refresh_token",
        refresh_token: credentials.token,
        service,
        scope,
      };
      const request = {
        ...base,
        method: "POST",
        headers: { "content-type": "application/x-www-form-urlencoded" },
        body: new URLSearchParams({ ...form, client_id: "tspod" }).toString(),
      } as const;
      ask = () => transport.sendTo(realm.href, request);
    } else {
      if (service !== "") realm.searchParams.set("service", service);
      for (const one of scope.split(" ").filter(Boolean)) realm.searchParams.append("scope", one);
      const headers = credentials === undefined ? {} : { authorization: basic(credentials) };
      ask = () => transport.sendTo(realm.href, { ...base, headers });
    }
    const answer = await askForText(ask, tokenSizeBytesMax, transport, base.failing);
    const { response, text } = answer;
    if (!response.ok) throw responseError(failing, { status: response.status, body: text });
    return parseToken(text, base.failing);
  }

  return { header, answer };
}

/** Logging in has no repository, and wants nothing but to be known. */
function wantedScopes(parameters: ReadonlyMap<string, string>, { repository }: Endpoint): string[] {
  const asked = (parameters.get("scope") ?? "").split(" ").filter(Boolean);
  return asked.length > 0 || repository === "" ? asked : [`repository:${repository}:pull`];
}

/** One scope a thing, with all that is to be done with it: "repository:a:pull,push". */
export function mergeScopes(scopes: readonly string[]): string[] {
  const actions = new Map<string, Set<string>>();
  for (const scope of scopes) {
    const end = scope.lastIndexOf(":");
    const thing = scope.slice(0, Math.max(end, 0));
    const known = actions.get(thing) ?? new Set();
    for (const action of scope.slice(end + 1).split(",")) known.add(action);
    actions.set(thing, known);
  }
  return [...actions].map(([thing, wanted]) => `${thing}:${[...wanted].join(",")}`);
}

function basic({ username, password }: Credentials & { kind: "password" }): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}

/** Credentials go there: so not to plain HTTP, unless the registry itself is spoken to that way. */
function tokenService(realm: string, endpoint: Endpoint, failing: Failing): URL {
  const url = URL.canParse(realm) ? new URL(realm) : undefined;
  const isLocal = endpoint.isInsecure || isLoopback(endpoint.host);
  if (url?.protocol === "https:" || (url?.protocol === "http:" && isLocal)) return url;
  throw new TspodError(
    "registry.failed",
    `Cannot ${failing.verb ?? "pull"} "${failing.what}": ${failing.registry} names no usable token service`,
    { next: "it is the registry's fault, or a proxy's" },
  );
}

function parseToken(body: string, { what, registry, verb = "pull" }: Failing): Grant {
  let answer: { token?: unknown; access_token?: unknown; expires_in?: unknown };
  try {
    answer = JSON.parse(body) as typeof answer;
  } catch {
    answer = {}; // said below
  }
  const token = answer?.token || answer?.access_token;
  if (typeof token !== "string" || !/^[\x21-\x7e]+$/.test(token)) {
    throw new TspodError("registry.failed", `Cannot ${verb} "${what}": ${registry} gave no token`);
  }
  const lifetimeS =
    typeof answer.expires_in === "number" ? answer.expires_in : tokenLifetimeDefaultS;
  return { header: `Bearer ${token}`, expiresAtMs: Date.now() + (lifetimeS - tokenMarginS) * 1000 };
}
