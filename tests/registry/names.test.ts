/** Short names, policy.json, scopes of tokens and lists of tags: what the texts mean. */
import { describe, expect, test } from "bun:test";
import { TspodError } from "../../src/errors.ts";
import { formatReference, parseReference, parseRegistryName } from "../../src/oci/index.ts";
import { mergeScopes } from "../../src/registry/auth.ts";
import {
  checkPolicy,
  createRegistryClient,
  listTags,
  mergeShortNames,
  parsePolicy,
  parseShortNames,
  resolveShortName,
} from "../../src/registry/index.ts";
import { startUploadRegistry } from "../support/upload-registry.ts";

const codeOf = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    return error instanceof TspodError ? `${error.code}: ${error.message}` : String(error);
  }
  return "nothing was thrown";
};

describe("resolveShortName()", () => {
  const names = mergeShortNames([
    parseShortNames(
      'unqualified-search-registries = ["quay.io", "docker.io"]\n[aliases]\n' +
        '"fedora" = "registry.fedoraproject.org/fedora"\n"team/app" = "quay.io/a/b"\n"gone" = "x.io/y"\n',
      "registries.conf",
    ),
    parseShortNames('[aliases]\n"gone" = ""\n', "drop-in"),
  ]);

  test.each([
    ["fedora:41", ["registry.fedoraproject.org/fedora:41"]],
    ["team/app", ["quay.io/a/b:latest"]],
    ["alpine", ["quay.io/alpine:latest", "docker.io/library/alpine:latest"]],
    ["gone:1", ["quay.io/gone:1", "docker.io/library/gone:1"]],
    ["ghcr.io/fedora", ["ghcr.io/fedora:latest"]],
    [
      `fedora@sha256:${"a".repeat(64)}`,
      [`registry.fedoraproject.org/fedora@sha256:${"a".repeat(64)}`],
    ],
  ])("%s", (text, expected) => {
    expect(resolveShortName(names, text).map(formatReference)).toEqual(expected);
  });

  test("where nobody says anything it is docker.io's", () => {
    const [only, ...others] = resolveShortName(parseShortNames("", "x"), "alpine");
    expect([only?.registry, others.length]).toEqual(["docker.io", 0]);
  });

  test.each(['unqualified-search-registries = "x"', "[aliases]\na = 1", 'aliases = "x"', "["])(
    "%j is refused",
    (text) => {
      expect(codeOf(() => parseShortNames(text, "names.conf"))).toMatch(
        /^registries_conf.invalid: .*names.conf/,
      );
    },
  );
});

describe("checkPolicy()", () => {
  const accept = [{ type: "insecureAcceptAnything" }];
  const reject = [{ type: "reject" }];
  const verdict = (docker: object, name: string): string => {
    const policy = parsePolicy(JSON.stringify({ default: reject, transports: { docker } }), "p");
    return codeOf(() => checkPolicy(policy, parseReference(name), "p"));
  };

  test.each([
    [
      "the most specific scope decides",
      { "q.io/a/b": accept, "q.io/a": reject },
      "q.io/a/b:1",
      false,
    ],
    ["a scope is no prefix of words", { "q.io/a": accept }, "q.io/ab", true],
    ["a host like it", { "*.q.io": accept }, "x.y.q.io:5000/a", false],
    ["a longer wildcard first", { "*.q.io": accept, "*.y.q.io": reject }, "x.y.q.io/a", true],
    ["all", { "": accept }, "alpine", false],
    ["docker.io by its whole name", { "docker.io/library/alpine": accept }, "alpine:3", false],
    ["two requirements", { "": [...accept, ...reject] }, "alpine", true],
  ])("%s", (_, scopes, name, isRefused) => {
    expect(verdict(scopes, name)).toMatch(isRefused ? /^image.refused/ : /^nothing/);
  });

  test.each([
    "{}",
    '{"default":[]}',
    '{"default":[{}]}',
    "[]",
    '{"default":[{"type":"reject"}],"transports":{"docker":{"a":{}}}}',
  ])("%s is no policy", (text) => {
    expect(codeOf(() => parsePolicy(text, "policy.json"))).toContain("registries_conf.invalid");
  });
});

test.each([
  ["quay.io", "quay.io", ""],
  ["https://quay.io/team/", "quay.io", "team"],
  ["https://index.docker.io/v1/", "docker.io", ""],
  ["localhost:5000", "localhost:5000", ""],
  ["host", "host", ""],
])("parseRegistryName(%j)", (text, registry, namespace) => {
  expect(parseRegistryName(text)).toEqual({ registry, namespace });
});

test("mergeScopes() asks for a thing once, with all that is to be done with it", () => {
  expect(
    mergeScopes(["repository:a:pull", "repository:a:pull,push", "repository:b:5000/c:pull"]),
  ).toEqual(["repository:a:pull,push", "repository:b:5000/c:pull"]);
});

describe("listTags()", () => {
  const list = async (script: Parameters<typeof startUploadRegistry>[0]): Promise<string[]> => {
    await using registry = await startUploadRegistry(script);
    const client = createRegistryClient({
      signal: new AbortController().signal,
      onRetry: () => undefined,
      findCredentials: () => Promise.resolve(undefined),
    });
    const { address } = registry;
    const endpoint = { host: address, registry: address, repository: "team/app" };
    return await listTags(client, { ...endpoint, isInsecure: true, isMirror: false }, "team/app");
  };

  test("page by page, at this registry only, without what is no tag", async () => {
    const pages = [
      ['{"tags":["a","b","../c",1]}', '</v2/team/app/tags/list?last=b>; rel="next"'],
      ['{"tags":["c","b"]}', "<http://elsewhere.example/v2/team/app/tags/list>; rel=next"],
    ];
    const script = ({ count }: { count: number }) => {
      const [body = "", link = ""] = pages[count - 1] ?? [];
      return { body, headers: { link } };
    };
    expect(await list({ script })).toEqual(["a", "b", "c"]);
    expect(await list({ script: () => ({ body: '{"tags":null}' }) })).toEqual([]);
    expect(await list({ script: () => ({ body: "<html>" }) })).toEqual([]);
  });

  test("a list without end ends", async () => {
    const tags = (count: number): string[] =>
      Array.from({ length: 5000 }, (_, i) => `t${count}-${i}`);
    const endless = list({
      script: ({ count }) => ({
        body: JSON.stringify({ tags: tags(count) }),
        headers: { link: '<?more>; rel="next"' },
      }),
    });
    expect(await endless.catch((error: TspodError) => error.code)).toBe("registry.too_large");
  });
});
