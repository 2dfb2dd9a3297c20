/** What a registry or the way to it says, as one sentence: HTTP status, network and TLS errors -> TspodError. */
import { TspodError } from "../errors.ts";

/** Of an error document, what is shown at most. */
const detailLengthMax = 200;

/** "manifest unknown": the first message of distribution-spec's error document, fit to print; "" when there is none. */
export function errorDetail(body: string): string {
  let message = "";
  try {
    const { errors } = JSON.parse(body) as { errors?: { code?: unknown; message?: unknown }[] };
    const first = Array.isArray(errors) ? errors[0] : undefined;
    message = String(first?.message || first?.code || "");
  } catch {
    message = /^[^<{]{1,200}$/.test(body.trim()) ? body : ""; // a proxy's HTML tells nobody anything
  }
  return redact(message.replace(/[^\x20-\x7e\u00a0-\uffff]+/g, " ").trim()).slice(
    0,
    detailLengthMax,
  );
}

/** Credentials in URLs, and bearer tokens, must not reach a terminal or a log. */
export function redact(text: string): string {
  return text
    .replace(/([a-z][a-z0-9+.-]*:\/\/)[^/@\s]+@/gi, "$1***@")
    .replace(/\b(Bearer|Basic)\s+[\w.~+/=-]+/gi, "$1 ***")
    .replace(/([?&](?:[\w-]*(?:signature|token|credential|key)[\w-]*|sig)=)[^&\s"]+/gi, "$1***");
}

export interface Failing {
  /** "alpine:latest", or what else is asked for. */
  readonly what: string;
  /** What cannot be done with it: "pull" when it is not said. */
  readonly verb?: string;
  /** "docker.io". */
  readonly registry: string;
}

/** A response that is not what was asked for. `retryAfter` is the header's text. */
export function responseError(
  { what, registry, verb = "pull" }: Failing,
  { status, body, retryAfter = "" }: { status: number; body: string; retryAfter?: string },
): TspodError {
  const detail = errorDetail(body);
  const said = detail === "" ? "" : ` (${detail})`;
  if (status === 401 || status === 403) {
    return new TspodError(
      "registry.unauthorized",
      `Cannot ${verb} "${what}": ${registry} denies access${said}`,
      {
        next: `check the name; if it is private, or not yours, log in: tspod login ${registry}`,
      },
    );
  }
  if (status === 404) {
    return new TspodError("image.not_found", `Cannot find "${what}" in ${registry}${said}`, {
      next: "check the name and the tag",
    });
  }
  if (status === 429) {
    const when = /^\d{1,6}$/.test(retryAfter) ? `in ${retryAfter} s` : "later";
    return new TspodError(
      "registry.rate_limited",
      `Cannot ${verb} "${what}": ${registry} limits the rate${said}`,
      {
        next: `try again ${when}, log in, or use a mirror in registries.conf`,
      },
    );
  }
  return new TspodError(
    "registry.failed",
    `Cannot ${verb} "${what}": ${registry} answered ${status}${said}`,
    {
      next: status >= 500 ? "it is the registry's fault: try again later" : "check the name",
    },
  );
}

/** Codes of errors that another attempt may not meet. */
const temporaryCodes: ReadonlySet<string> = new Set([
  "ECONNRESET",
  "ECONNABORTED",
  "ETIMEDOUT",
  "EPIPE",
  "ConnectionClosed",
  "Timeout",
]);

export function errorCode(error: unknown): string {
  const { code, cause } = (error ?? {}) as { code?: unknown; cause?: unknown };
  if (typeof code === "string") return code;
  return cause === undefined ? "" : errorCode(cause);
}

export function isTemporary(error: unknown): boolean {
  return (
    temporaryCodes.has(errorCode(error)) || (error as Error | undefined)?.name === "TimeoutError"
  );
}

/** The other side does not speak TLS: what plain HTTP looks like to a TLS client. */
export function isNotTls(error: unknown): boolean {
  return ["EPROTO", "ECONNREFUSED", "ECONNRESET", "ConnectionClosed"].includes(errorCode(error));
}

/** Its certificate would be good if its authority were known. */
export function isUnknownAuthority(error: unknown): boolean {
  return unknownAuthorityCodes.has(errorCode(error));
}

const unknownAuthorityCodes: ReadonlySet<string> = new Set([
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
]);

const certificateProblems: Record<string, string> = {
  CERT_HAS_EXPIRED: "its certificate has expired",
  CERT_NOT_YET_VALID: "its certificate is not valid yet: is the clock right?",
  DEPTH_ZERO_SELF_SIGNED_CERT: "its certificate is self-signed",
  SELF_SIGNED_CERT_IN_CHAIN: "its certificate comes from an unknown authority",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "its certificate comes from an unknown authority",
  UNABLE_TO_GET_ISSUER_CERT: "its certificate comes from an unknown authority",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "its certificate comes from an unknown authority",
  ERR_TLS_CERT_ALTNAME_INVALID: "its certificate is for another name",
};

const networkProblems: Record<string, string> = {
  ECONNREFUSED: "the connection was refused",
  ENOTFOUND: "its name is unknown",
  EAI_AGAIN: "its name could not be looked up",
  ECONNRESET: "it dropped the connection",
  ConnectionClosed: "it dropped the connection",
  EPROTO: "it does not speak TLS",
  EHOSTUNREACH: "there is no route to it",
  ENETUNREACH: "there is no network",
  ETIMEDOUT: "it does not answer",
};

/** Who answers so is no registry, or something before it is broken: what to do is another thing then. */
const nonsense: Record<string, string> = {
  Malformed_HTTP_Response: "what it sends is not HTTP",
  InvalidHTTPResponse: "what it sends is not HTTP",
  InvalidContentLength: "it gives an impossible length",
  UnsupportedRedirectProtocol: "it redirects to what is no web address",
  RedirectURLInvalid: "it redirects to what is no web address",
  RedirectURLTooLong: "it redirects to what is no web address",
  TooManyRedirects: "it redirects without end",
};

/** Bun's advice to those who program with it. */
const advice = /[.:]? For more information, pass .*$/s;

/** No response at all, or none that can be read. */
export function networkError({ what, registry }: Failing, cause: unknown): TspodError {
  const code = errorCode(cause);
  const certificate = certificateProblems[code];
  if (certificate !== undefined) {
    return new TspodError(
      "registry.unreachable",
      `Cannot trust ${registry}, asked for "${what}": ${certificate}`,
      {
        next: `put its authority into ~/.config/containers/certs.d/${registry}/ca.crt, or use --tls-verify=false (insecure = true in registries.conf)`,
        cause,
      },
    );
  }
  const fault = nonsense[code];
  if (fault !== undefined) {
    return new TspodError(
      "registry.unreachable",
      `Cannot use ${registry} for "${what}": ${fault}`,
      {
        next: "it is no registry, or a proxy before it is broken",
        cause,
      },
    );
  }
  const next =
    code === "EPROTO"
      ? `if it is plain HTTP, say insecure = true for "${registry}" in registries.conf`
      : "check the network, the proxy variables and the name";
  return new TspodError(
    "registry.unreachable",
    `Cannot reach ${registry} for "${what}": ${networkReason(cause)}`,
    { next, cause },
  );
}

/** Half a sentence: "the connection was refused". */
export function networkReason(cause: unknown): string {
  const code = errorCode(cause);
  if ((cause as Error | undefined)?.name === "TimeoutError") return "it does not answer";
  const known = certificateProblems[code] ?? nonsense[code] ?? networkProblems[code];
  return known ?? (redact(String((cause as Error).message).replace(advice, "")) || code);
}
