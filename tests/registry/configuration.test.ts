/** registries.conf, auth.json, WWW-Authenticate and the errors of registries: text in, decisions out. */
import { describe, expect, test } from "bun:test";
import { TspodError } from "../../src/errors.ts";
import { parseReference } from "../../src/oci/index.ts";
import { parseChallenges } from "../../src/registry/challenge.ts";
import { networkError, redact, responseError } from "../../src/registry/errors.ts";
import {
  endpoints,
  findCredentials,
  mergeRules,
  parseAuthFile,
  parseRegistriesConf,
} from "../../src/registry/index.ts";

const rules = (text: string): ReturnType<typeof parseRegistriesConf> =>
  parseRegistriesConf(text, "registries.conf");

const places = (text: string, name: string): string[] =>
  endpoints(rules(text), parseReference(name)).map(
    ({ host, repository, isInsecure, isMirror }) =>
      `${host}/${repository}${isInsecure ? " insecure" : ""}${isMirror ? " mirror" : ""}`,
  );

const hub = `
unqualified-search-registries = ["quay.io"]
[aliases]
alpine = "quay.io/evil/alpine"
[[registry]]
prefix = "docker.io"
location = "docker.io"
[[registry.mirror]]
location = "10.0.0.1:5000/hub"
insecure = true
[[registry.mirror]]
location = "tags.example.org"
pull-from-mirror = "tag-only"
[[registry]]
prefix = "docker.io/team"
location = "team.example.org/images"
[[registry]]
prefix = "*.corp.example.org"
location = "registry.corp.example.org"
mirror-by-digest-only = true
[[registry.mirror]]
location = "mirror.corp.example.org"
[[registry]]
location = "blocked.example.org"
blocked = true
`;
const digest = `sha256:${"a".repeat(64)}`;

describe("endpoints()", () => {
  test.each([
    [
      "alpine",
      [
        "10.0.0.1:5000/hub/library/alpine insecure mirror",
        "tags.example.org/library/alpine mirror",
        "registry-1.docker.io/library/alpine",
      ],
    ],
    [
      `alpine@${digest}`,
      ["10.0.0.1:5000/hub/library/alpine insecure mirror", "registry-1.docker.io/library/alpine"],
    ],
    ["team/app", ["team.example.org/images/app"]],
    [
      "teams/app",
      [
        "10.0.0.1:5000/hub/teams/app insecure mirror",
        "tags.example.org/teams/app mirror",
        "registry-1.docker.io/teams/app",
      ],
    ],
    ["a.corp.example.org:8443/x/y", ["registry.corp.example.org/x/y"]],
    [
      `a.corp.example.org/x@${digest}`,
      ["mirror.corp.example.org/x mirror", "registry.corp.example.org/x"],
    ],
    ["ghcr.io/x/y", ["ghcr.io/x/y"]],
  ])("%s", (name, expected) => {
    expect(places(hub, name)).toEqual(expected);
  });

  test("a blocked registry is not asked", () => {
    expect(() => places(hub, "blocked.example.org/x")).toThrow("registries.conf blocks it");
  });

  test("drop-ins replace rules of the same prefix", () => {
    const merged = mergeRules([rules(hub), rules('[[registry]]\nlocation = "docker.io"\n')]);
    expect(endpoints(merged, parseReference("alpine")).length).toBe(1);
  });
});

test.each([
  ["[registries.search]\nregistries = []", "version 1"],
  ['[[registry]]\nlocation = "https://x.io"', "without a scheme"],
  ["[[registry]]\ninsecure = true", 'neither "prefix" nor "location"'],
  ['[[registry]]\nlocation = "x.io"\ninsecure = "yes"', '"insecure" should be true or false'],
  [
    '[[registry]]\nlocation = "x.io"\n[[registry.mirror]]\nlocation = "y"\npull-from-mirror = "some"',
    "none of",
  ],
  ["[[registry]\n", "registries.conf"],
])("parseRegistriesConf() says what is wrong in %j", (text, reason) => {
  try {
    rules(text);
  } catch (error) {
    expect((error as TspodError).code).toBe("registries_conf.invalid");
    expect((error as TspodError).message).toContain(reason);
    return;
  }
  throw new Error("it was taken");
});

describe("findCredentials()", () => {
  const basic = (text: string): string => Buffer.from(text).toString("base64");
  const file = parseAuthFile(
    JSON.stringify({
      auths: {
        "quay.io": { auth: basic("general:p:w") },
        "quay.io/team": { auth: basic("team:pw") },
        "https://index.docker.io/v1/": { auth: basic("hub:pw\0\0") },
        "token.example.org": { identitytoken: "refresh" },
        empty: {},
      },
      credHelpers: { "ecr.example.org": "ecr-login", bad: "../../evil" },
      credsStore: "pass",
    }),
    "auth.json",
  );

  test.each([
    ["quay.io", "other/x", "general", "p:w"],
    ["quay.io", "team/x/y", "team", "pw"],
    ["docker.io", "library/alpine", "hub", "pw"],
  ])("%s/%s", (registry, repository, username, password) => {
    const found = findCredentials(file, registry, repository);
    expect(found).toEqual({ kind: "password", username, password });
  });

  test("identity tokens, helpers, and nothing for others", () => {
    const found = findCredentials(file, "token.example.org", "x");
    expect(found).toEqual({ kind: "identity", token: "refresh" });
    expect(findCredentials(file, "ghcr.io", "x")).toBeUndefined();
    expect(findCredentials(file, "quay.io.evil.org", "x")).toBeUndefined();
    expect([...file.helpers]).toEqual([["ecr.example.org", "ecr-login"]]);
    expect(file.store).toBe("pass");
  });
});

test("parseChallenges() reads what registries send", () => {
  const shown = (header: string): unknown =>
    parseChallenges(header).map(({ scheme, parameters }) => [
      scheme,
      Object.fromEntries(parameters),
    ]);
  expect(
    shown('Bearer realm="https://a/t?x=1,2",service="s",scope="repository:a/b:pull,push"'),
  ).toEqual([
    ["bearer", { realm: "https://a/t?x=1,2", service: "s", scope: "repository:a/b:pull,push" }],
  ]);
  expect(shown('BASIC Realm="a \\"b\\"", Bearer realm=https://x/t')).toEqual([
    ["basic", { realm: 'a "b"' }],
    ["bearer", { realm: "https://x/t" }],
  ]);
  expect(shown("")).toEqual([]);
});

describe("errors", () => {
  const about = { what: "app:1", registry: "r.io" };

  test("credentials never reach the user", () => {
    const text = redact(
      "GET https://user:pw@r.io/x?X-Amz-Signature=abc&y=1&sig=zz Authorization: Bearer abc.def-_ Basic dTpw",
    );
    expect(text).toBe(
      "GET https://***@r.io/x?X-Amz-Signature=***&y=1&sig=*** Authorization: Bearer *** Basic ***",
    );
  });

  test.each([
    [401, "registry.unauthorized"],
    [403, "registry.unauthorized"],
    [404, "image.not_found"],
    [429, "registry.rate_limited"],
    [500, "registry.failed"],
    [418, "registry.failed"],
  ])("status %d is %s", (status, code) => {
    const body = '{"errors":[{"message":"so\\u001b[2J it is"}]}';
    const error = responseError(about, { status, body });
    expect(error.code).toBe(code as TspodError["code"]);
    expect(error.message).toContain('"app:1"');
    expect(error.message).toContain("(so [2J it is)");
    expect(error.next).toBeTruthy();
  });

  test.each([
    ["CERT_HAS_EXPIRED", "has expired"],
    ["DEPTH_ZERO_SELF_SIGNED_CERT", "self-signed"],
    ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", "unknown authority"],
    ["ERR_TLS_CERT_ALTNAME_INVALID", "for another name"],
    ["ECONNREFUSED", "refused"],
    ["ENOTFOUND", "its name is unknown"],
  ])("%s is said in words", (code, words) => {
    const error = networkError(about, Object.assign(new Error("x"), { code }));
    expect(error.code).toBe("registry.unreachable");
    expect(error.message).toContain(words);
    expect(error.message).toContain("r.io");
  });
});
