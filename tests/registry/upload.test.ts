/** pushBlob() against a registry that behaves in all the ways the specification allows, and in some it does not. */
import { describe, expect, test } from "bun:test";
import type { Digest } from "../../src/oci/index.ts";
import type { FindCredentials } from "../../src/registry/auth.ts";
import { createRegistryClient, pushBlob } from "../../src/registry/index.ts";
import { failureOf } from "../support/image-store.ts";
import { digestOf } from "../support/scripted-registry.ts";
import {
  startUploadRegistry,
  type UploadOptions,
  type UploadRegistry,
} from "../support/upload-registry.ts";

const chunk = 100_000;
const bytes = new Uint8Array(450_000).map((_, i) => (i * 7919) >> 8);
const digest = digestOf(bytes) as Digest;

interface Outcome {
  registry: UploadRegistry;
  result: string;
  progress: number[];
  retries: string[];
  /** "PATCH 0-99999", in order. */
  sent: string[];
}

/** Push the bytes; what was sent is looked at afterwards. */
async function pushTo(
  options: UploadOptions,
  {
    size = bytes.length,
    mountFrom = "",
    findCredentials = (async () => undefined) as FindCredentials,
  } = {},
): Promise<Outcome> {
  await using registry = await startUploadRegistry(options);
  const progress: number[] = [];
  const retries: string[] = [];
  const limits = { retryDelayMs: 1, retryDelayMsMax: 5, retryAfterMsMax: 2000 };
  const client = createRegistryClient({
    signal: new AbortController().signal,
    onRetry: (message) => void retries.push(message),
    findCredentials,
    limits: { ...limits, uploadChunkSizeBytes: chunk },
  });
  const part = bytes.subarray(0, size);
  const source = {
    digest: size === bytes.length ? digest : (digestOf(part) as Digest),
    sizeBytes: size,
    async *read(start: number, end: number) {
      for (let at = start; at < end; at += 10_000) yield part.slice(at, Math.min(at + 10_000, end));
    },
  };
  const { address } = registry;
  const endpoint = {
    ...{ host: address, registry: address, repository: "team/app" },
    ...{ isInsecure: true, isMirror: false },
  };
  const result = await pushBlob(client, endpoint, source, {
    ...{ what: "team/app:1", signal: client.transport.signal },
    ...(mountFrom === "" ? {} : { mountFrom }),
    onProgress: (count) => void progress.push(count),
  });
  if (result === "uploaded" && options.isElsewhere !== true) {
    expect(registry.blobs.get(source.digest)?.equals(Buffer.from(part))).toBe(true);
  }
  const sent = registry.requests.map(({ method, range }) => [method, range].join(" ").trim());
  return { registry, result, progress, retries, sent };
}

const chunks = [0, 1, 2, 3, 4].map(
  (i) => `PATCH ${i * chunk}-${Math.min((i + 1) * chunk, bytes.length) - 1}`,
);

describe("pushBlob()", () => {
  test("a small one goes in one piece, a large one in chunks", async () => {
    const small = await pushTo({}, { size: 50_000 });
    expect(small.sent).toEqual(["HEAD", "POST", "PUT"]);
    const large = await pushTo({});
    expect(large.sent).toEqual(["HEAD", "POST", ...chunks, "PUT"]);
    expect(large.progress.at(-1)).toBe(bytes.length);
    expect((await pushTo({}, { size: 0 })).sent).toEqual(["HEAD", "POST", "PUT"]);
  });

  test("one that is there is not sent, nor is one that is in another repository", async () => {
    const there = await pushTo({ script: ({ method }) => (method === "HEAD" ? {} : undefined) });
    expect([there.result, ...there.sent]).toEqual(["present", "HEAD"]);
    const mountable = { "team/base": [digest] };
    const mounted = await pushTo({ mountable }, { mountFrom: "team/base" });
    expect([mounted.result, ...mounted.sent]).toEqual(["mounted", "HEAD", "POST"]);
    const cannot = await pushTo({}, { mountFrom: "team/base" });
    expect(cannot.result).toBe("uploaded");
  });

  test("chunks are as large as the registry wants them", async () => {
    const { sent } = await pushTo({ minimumChunk: 200_000 });
    expect(sent.slice(2)).toEqual([
      "PATCH 0-199999",
      "PATCH 200000-399999",
      "PATCH 400000-449999",
      "PUT",
    ]);
    expect((await pushTo({ minimumChunk: 1_000_000 })).sent).toEqual(["HEAD", "POST", "PUT"]);
  });

  test.each([
    ["an address without a query", (id: string, at: string) => `http://${at}/v2/x/uploads/${id}`],
    ["a path", (id: string) => `/somewhere/uploads/${id}?a=b`],
    ["a relative path", (id: string) => `/v2/uploads/${id}`],
    ["an address that claims TLS", (id: string, at: string) => `https://${at}/uploads/${id}?x=%2F`],
  ])("uploads go on at %s", async (_, location) => {
    expect((await pushTo({ location })).result).toBe("uploaded");
    expect((await pushTo({ location }, { size: 10 })).result).toBe("uploaded");
  });

  test.each([201, 401])(
    "bytes go where the registry says (%d), who we are does not",
    async (status) => {
      const challenge = { "www-authenticate": 'Basic realm="x"' };
      await using elsewhere = await startUploadRegistry({
        script: () => ({ status, headers: challenge }),
      });
      const registry: UploadOptions = {
        script: ({ authorization }) =>
          authorization === undefined ? { status: 401, headers: challenge } : undefined,
        location: () => `http://${elsewhere.address}/bucket/x?signed=1`,
        isElsewhere: true,
      };
      const password = { kind: "password", username: "u", password: "p" } as const;
      const options = { size: 10, findCredentials: async () => password };
      const pushed = pushTo(registry, options);
      if (status === 201)
        expect((await pushed).registry.requests.at(-1)?.authorization).toMatch(/^Basic /);
      else expect((await failureOf(pushed)).code).toBe("registry.unauthorized");
      expect(
        elsewhere.requests.map(({ method, authorization }) => ({ method, authorization })),
      ).toEqual([{ method: "PUT", authorization: undefined }]);
    },
  );

  test("a registry that places uploads nowhere is told so", async () => {
    for (const place of ["file:///etc/passwd", "http://[", "http://a:b@example.org/"]) {
      const failure = await failureOf(pushTo({ location: () => place }));
      expect(failure).toMatchObject({ code: "registry.failed" });
      expect(failure.text).toContain("no usable place");
    }
  });
});

describe("interruptions", () => {
  test("a connection that breaks in a chunk: it goes on at the byte the registry has", async () => {
    const { sent, retries, registry } = await pushTo({
      script: ({ method, count }) =>
        method === "PATCH" && count === 3 ? { breakAfter: 30_000 } : undefined,
    });
    expect(sent.slice(2, 5)).toEqual(chunks.slice(0, 3));
    expect(sent.slice(5)).toEqual([
      "GET",
      "PATCH 230000-329999",
      "PATCH 330000-429999",
      "PATCH 430000-449999",
      "PUT",
    ]);
    expect(retries.join()).toContain("going on at byte 230000");
    expect(registry.bytesTaken).toBe(bytes.length);
  });

  test("a small one that breaks goes on, too", async () => {
    const { sent } = await pushTo(
      {
        script: ({ method, count }) =>
          method === "PUT" && count === 1 ? { breakAfter: 20_000 } : undefined,
      },
      { size: 60_000 },
    );
    expect(sent).toEqual(["HEAD", "POST", "PUT", "GET", "PATCH 20000-59999", "PUT"]);
  });

  test("the answer to the last request gets lost: what is there is seen", async () => {
    const { result, registry } = await pushTo({
      script: ({ method, count }) =>
        method === "PUT" && count === 1 ? { breakAfter: 0 } : undefined,
    });
    expect(result).toBe("uploaded");
    expect(registry.bytesTaken).toBe(bytes.length);
  });

  test("a registry that forgets its uploads gets them anew", async () => {
    const { sent, progress } = await pushTo({
      script: ({ method, count }) =>
        method === "PATCH" && count === 3 ? { status: 404 } : undefined,
    });
    expect(sent.filter((one) => one === "POST").length).toBe(2);
    expect(progress).toContain(0);
    const never = pushTo({
      script: ({ method }) => (method === "PATCH" ? { status: 404 } : undefined),
    });
    expect(await failureOf(never)).toMatchObject({ code: "image.not_found" });
  });

  test("429 and 503 are waited for as told, and given up when that is too long", async () => {
    const { result, retries } = await pushTo({
      script: ({ method, count }) =>
        method === "PATCH" && count <= 2
          ? { status: count === 1 ? 429 : 503, headers: { "retry-after": "0" } }
          : undefined,
    });
    expect(result).toBe("uploaded");
    expect(retries.length).toBe(2);
    const headers = { "retry-after": "3600" };
    const late = await failureOf(
      pushTo({
        script: ({ method }) => (method === "PATCH" ? { status: 429, headers } : undefined),
      }),
    );
    expect(late.code).toBe("registry.rate_limited");
    expect(late.text).toContain("3600 s");
  });

  test("one that always breaks is given up, without losing patience with one that gets on", async () => {
    const dead = pushTo({
      script: ({ method }) => (method === "PATCH" ? { breakAfter: 0 } : undefined),
    });
    expect(await failureOf(dead)).toMatchObject({ code: "registry.unreachable" });
    const slow = await pushTo({
      script: ({ method, count }) =>
        method === "PATCH" && count % 2 === 1 ? { breakAfter: 20_000 } : undefined,
    });
    expect(slow.result).toBe("uploaded");
    expect(slow.retries.length).toBeGreaterThan(3);
  });
});

describe("registries with rules of their own", () => {
  test.each([405, 400, 415, 501])("without chunks (%d): all of it at once", async (status) => {
    const { sent } = await pushTo({
      script: ({ method }) => (method === "PATCH" ? { status } : undefined),
    });
    expect(sent).toEqual(["HEAD", "POST", chunks[0] ?? "", "POST", "PUT"]);
  });

  test("a proxy that takes only so much at a time gets less, until less makes no sense", async () => {
    const push = async (limit: number): Promise<unknown> => {
      await using registry = await startUploadRegistry({
        script: ({ length }) => (Number(length) > limit ? { status: 413 } : undefined),
      });
      const client = createRegistryClient({
        signal: new AbortController().signal,
        onRetry: () => undefined,
        findCredentials: () => Promise.resolve(undefined),
      });
      const body = Buffer.alloc(6_000_000, "x");
      const { address } = registry;
      const source = {
        digest: digestOf(body) as Digest,
        sizeBytes: body.length,
        async *read(start: number, end: number) {
          yield body.subarray(start, end);
        },
      };
      const endpoint = { host: address, registry: address, repository: "a" };
      return await pushBlob(client, { ...endpoint, isInsecure: true, isMirror: false }, source, {
        ...{ what: "a", signal: client.transport.signal, onProgress: () => undefined },
      }).catch((error: unknown) => error);
    };
    expect(await push(2_000_000)).toBe("uploaded");
    expect(await push(1_000_000)).toMatchObject({ code: "registry.failed" });
  });

  test("a redirected upload arrives, one in circles ends", async () => {
    const { result } = await pushTo({
      script: ({ method, path, count }) =>
        method === "PATCH" && count === 1
          ? { status: 307, headers: { location: `${path}&moved=yes` } }
          : undefined,
    });
    expect(result).toBe("uploaded");
    const circle = pushTo({
      script: ({ method, path }) =>
        method === "PATCH" ? { status: 307, headers: { location: path } } : undefined,
    });
    expect((await failureOf(circle)).text).toContain("circles");
  });

  test("what is denied is said at once", async () => {
    const denied = await failureOf(
      pushTo({ script: ({ method }) => (method === "POST" ? { status: 403 } : undefined) }),
    );
    expect(denied.code).toBe("registry.unauthorized");
    expect(denied.text).toContain('Cannot push "team/app:1"');
  });
});
