/** Pulling from a registry that behaves, in all the forms the field has, and from one that does not. */
import { describe, expect } from "bun:test";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ensureImage, pullImage } from "../../src/image/index.ts";
import { type Digest, digestOf as digest } from "../../src/oci/index.ts";
import { blobPath } from "../../src/store/content.ts";
import { failureOf, helperBuilt, makeStore, type TestStore } from "../support/image-store.ts";
import { tarOf } from "../support/oci-image.ts";
import { testWith } from "../support/requirements.ts";
import {
  honest,
  randomLayer,
  type Script,
  type ScriptedImage,
  type ScriptedRegistry,
  scriptedImage,
  startScriptedRegistry,
} from "../support/scripted-registry.ts";

const test = testWith(helperBuilt);

interface Scene extends AsyncDisposable {
  registry: ScriptedRegistry;
  store: TestStore;
  name: string;
}

async function scene(
  image: ScriptedImage,
  script?: Script,
  options: Parameters<typeof makeStore>[0] = {},
): Promise<Scene> {
  const registry = await startScriptedRegistry(image, script);
  const store = makeStore(options);
  return {
    ...{ registry, store, name: `${registry.address}/team/app:1` },
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      await registry[Symbol.asyncDispose]();
    },
  };
}

const isBlob = ({ path }: { path: string }, image: ScriptedImage): boolean =>
  path.endsWith(image.digests.layers[0] ?? "");

describe("pullImage()", () => {
  test("unpacks a layer, keeps its blobs, and asks once when nothing has changed", async () => {
    const image = await scriptedImage();
    await using at = await scene(image);
    const pulled = await pullImage(at.store.context, at.name);
    expect(pulled.id).toBe(image.digests.config as Digest);
    expect(pulled.config.cmd).toEqual(["sh"]);
    const tree = join(at.store.context.paths.layers, pulled.layers[0] ?? "", "diff");
    expect(readFileSync(join(tree, "hello.txt"), "utf8")).toBe("hello");
    for (const name of [image.digests.config, image.digests.manifest, ...image.digests.layers]) {
      const bytes = readFileSync(blobPath(at.store.context.paths, name as Digest));
      expect(digest(bytes)).toBe(name as Digest);
    }
    const before = at.registry.requests.length;
    expect((await pullImage(at.store.context, at.name)).id).toBe(pulled.id);
    expect(at.registry.requests.length - before).toBe(1);
    expect(at.store.litter()).toEqual([]);
  });

  test("ensureImage() of a present image asks nobody", async () => {
    await using at = await scene(await scriptedImage());
    await pullImage(at.store.context, at.name);
    const before = at.registry.requests.length;
    expect((await ensureImage(at.store.context, at.name)).reference).toBe(at.name);
    expect(at.registry.requests.length).toBe(before);
  });

  test.each([
    ["gzip", (tar: Uint8Array) => Bun.gzipSync(new Uint8Array(tar))],
    ["zstd", (tar: Uint8Array) => Bun.zstdCompressSync(tar)],
    ["nothing", (tar: Uint8Array) => tar],
    [
      "gzip in two members",
      (tar: Uint8Array) =>
        Buffer.concat([
          Bun.gzipSync(new Uint8Array(tar.subarray(0, 700))),
          Bun.gzipSync(new Uint8Array(tar.subarray(700))),
        ]),
    ],
    [
      "zstd in two frames with a skippable one before them",
      (tar: Uint8Array) =>
        Buffer.concat([
          Buffer.from("502a4d1804000000aabbccdd", "hex"),
          Bun.zstdCompressSync(tar.subarray(0, 700)),
          Bun.zstdCompressSync(tar.subarray(700)),
        ]),
    ],
  ])("takes layers compressed with %s, whatever their media type says", async (_, compress) => {
    await using at = await scene(await scriptedImage({ compress }));
    const { layers } = await pullImage(at.store.context, at.name);
    const file = join(at.store.context.paths.layers, layers[0] ?? "", "diff/hello.txt");
    expect(readFileSync(file, "utf8")).toBe("hello");
  });

  test("an image without layers, and one with the same layer twice", async () => {
    await using none = await scene(await scriptedImage({ layers: [] }));
    expect((await pullImage(none.store.context, none.name)).layers).toEqual([]);
    const layer = await tarOf([{ path: "a", content: "a" }]);
    await using twice = await scene(await scriptedImage({ layers: [layer, layer] }));
    const { layers } = await pullImage(twice.store.context, twice.name);
    expect(new Set(layers).size).toBe(2);
    expect(twice.registry.count("/blobs/")).toBe(2); // the config and the layer
  });

  test("by digest: found again by tag's digest, and checked", async () => {
    const image = await scriptedImage();
    await using at = await scene(image);
    const name = `${at.registry.address}/team/app@${image.digests.manifest}`;
    expect((await pullImage(at.store.context, name)).reference).toBe(name);
    const lie = { body: `${image.manifest} ` };
    await using liar = await scene(image, ({ path }) =>
      path.includes("manifests") ? lie : undefined,
    );
    const lied = `${liar.registry.address}/team/app@${image.digests.manifest}`;
    expect(await failureOf(pullImage(liar.store.context, lied))).toMatchObject({
      code: "registry.digest_mismatch",
    });
  });

  test("follows a redirect to another host without taking the token there", async () => {
    const image = await scriptedImage();
    await using storage = await startScriptedRegistry(image);
    const token = "secret-token";
    await using at = await scene(image, (request) => {
      if (request.path.startsWith("/token")) return { body: JSON.stringify({ token }) };
      if (request.headers.authorization !== `Bearer ${token}`) {
        const realm = `http://${request.headers.host}/token`;
        return {
          status: 401,
          headers: { "www-authenticate": `Bearer realm="${realm}",service="s"` },
        };
      }
      if (!request.path.includes("/blobs/")) return undefined;
      return { status: 307, headers: { location: `http://${storage.address}${request.path}` } };
    });
    await pullImage(at.store.context, at.name);
    expect(storage.requests.length).toBe(2);
    expect(storage.requests.map(({ headers }) => headers.authorization)).toEqual([
      undefined,
      undefined,
    ]);
    expect(at.registry.count("/token")).toBe(1);
    expect(at.registry.requests.find(({ path }) => path.startsWith("/token"))?.path).toBe(
      "/token?service=s&scope=repository%3Ateam%2Fapp%3Apull",
    );
  });
});

describe("interruptions", () => {
  test("a blob that breaks off again and again is resumed, not begun again", async () => {
    const compress = (tar: Uint8Array): Uint8Array => tar;
    const image = await scriptedImage({ layers: [await randomLayer(12_000_000)], compress });
    const size = image.blobs[0]?.length ?? 0;
    // so many bytes of what is still missing: enough to be on their way before the end is seen
    const breaks = [0, 5_000_000, 3_000_000, 2_000_000];
    await using at = await scene(image, (request, attempt) => {
      const bytes = breaks[attempt - 1];
      if (!isBlob(request, image) || bytes === undefined) return undefined;
      const how = attempt === 3 ? "reset" : "close";
      return { ...honest(image, request), breakAt: { bytes, how } };
    });
    await pullImage(at.store.context, at.name);
    const offsets = at.registry.requests
      .filter((request) => isBlob(request, image))
      .map(({ headers }) => Number(/^bytes=(\d+)-$/.exec(headers.range ?? "")?.[1] ?? 0));
    expect(offsets.length).toBe(5);
    // what was in flight when the connection died may be lost, what was written is not
    expect(offsets).toEqual(offsets.toSorted((a, b) => a - b));
    expect(offsets[2]).toBeGreaterThan(2_000_000);
    expect(offsets[4]).toBeGreaterThan(offsets[2] ?? 0);
    expect(at.registry.blobBytesSent).toBeLessThan(1.5 * size);
    expect(at.store.litter()).toEqual([]);
  });

  test("a registry that cannot resume is read from the beginning", async () => {
    const image = await scriptedImage({ layers: [await randomLayer(300_000)] });
    await using at = await scene(image, (request, attempt) => {
      if (!isBlob(request, image)) return undefined;
      const whole = { body: image.blobs[0] ?? "" };
      return attempt < 3 ? { ...whole, breakAt: { bytes: 200_000, how: "close" } } : whole;
    });
    const { layers } = await pullImage(at.store.context, at.name);
    const file = join(at.store.context.paths.layers, layers[0] ?? "", "diff/random-1");
    expect(readFileSync(file).length).toBe(300_000);
    expect(at.store.litter()).toEqual([]);
  });

  test("what a killed process left is resumed when it is right and replaced when it is not", async () => {
    const image = await scriptedImage({ layers: [await randomLayer(300_000)] });
    const hex = (image.digests.layers[0] ?? "").slice(7);
    for (const isRight of [true, false]) {
      await using at = await scene(image);
      const half = Buffer.from((image.blobs[0] ?? new Uint8Array()).subarray(0, 100_000));
      if (!isRight) half[50_000] = (half[50_000] ?? 0) ^ 1;
      await pullImage(at.store.context, at.name).catch(() => undefined);
      await using fresh = makeStore();
      await Bun.$`mkdir -p ${fresh.context.paths.ingest}`;
      writeFileSync(join(fresh.context.paths.ingest, hex), half);
      const before = at.registry.blobBytesSent;
      await pullImage(fresh.context, at.name);
      const sent = at.registry.blobBytesSent - before - image.config.length;
      const size = image.blobs[0]?.length ?? 0;
      expect(sent).toBe(isRight ? size - 100_000 : size - 100_000 + size);
      expect(fresh.litter()).toEqual([]);
    }
  });

  test("a stalled connection is given up and resumed", async () => {
    const image = await scriptedImage({ layers: [await randomLayer(300_000)] });
    const script: Script = (request, attempt) =>
      isBlob(request, image) && attempt === 1
        ? { ...honest(image, request), breakAt: { bytes: 100_000, how: "stall" } }
        : undefined;
    await using at = await scene(image, script, { limits: { stallTimeoutMs: 200 } });
    await pullImage(at.store.context, at.name);
    expect(at.registry.requests.at(-1)?.headers.range).toBe("bytes=100000-");
  });

  test("500, 503 and 429 with Retry-After pass; the user is told", async () => {
    const image = await scriptedImage();
    const statuses = [500, 503, 429];
    await using at = await scene(image, ({ path }, attempt) => {
      const status = path.includes("manifests") ? statuses[attempt - 1] : undefined;
      return status === undefined ? undefined : { status, headers: { "retry-after": "0" } };
    });
    await pullImage(at.store.context, at.name);
    const told = at.store.events.flatMap((event) => (event.kind === "retry" ? event.message : []));
    expect(told.length).toBe(3);
    expect(told[2]).toContain("answered 429");
  });

  test("giving up stops at once and keeps what came", async () => {
    const image = await scriptedImage({ layers: [await randomLayer(300_000)] });
    const abort = new AbortController();
    const script: Script = (request) =>
      isBlob(request, image)
        ? { ...honest(image, request), breakAt: { bytes: 100_000, how: "stall" } }
        : undefined;
    await using at = await scene(image, script, { signal: abort.signal });
    const { report } = at.store.context;
    const context = {
      ...at.store.context,
      report: (event: Parameters<typeof report>[0]) => {
        if (event.kind === "downloaded" && event.bytes === 100_000) abort.abort();
      },
    };
    expect((await failureOf(pullImage(context, at.name))).text).toContain("abort");
    expect(at.store.litter().map((path) => path.split("/").at(-1))).toEqual([
      (image.digests.layers[0] ?? "").slice(7),
    ]);
  });
});

describe("bad input: one sentence, the right code, nothing left", () => {
  const manifestReply =
    (body: string, headers = {}): Script =>
    ({ path }) =>
      path.includes("/manifests/") ? { body, headers } : undefined;

  const cases: [string, string, RegExp, (image: ScriptedImage) => Script][] = [
    [
      "a tag that does not exist",
      "image.not_found",
      /Cannot find ".+app:1" in 127\.0\.0\.1:\d+ \(manifest unknown\)/,
      () =>
        ({ path }) =>
          path.includes("/manifests/")
            ? { status: 404, body: '{"errors":[{"message":"manifest unknown"}]}' }
            : undefined,
    ],
    [
      "no right to see it",
      "registry.unauthorized",
      /denies access/,
      () => () => ({ status: 401, headers: { "www-authenticate": 'Basic realm="x"' } }),
    ],
    ["403", "registry.unauthorized", /denies access/, () => () => ({ status: 403 })],
    [
      "a rate limit with a long wait",
      "registry.rate_limited",
      /limits the rate.*\n.*in 3600 s/,
      () => () => ({ status: 429, headers: { "retry-after": "3600" } }),
    ],
    [
      "a redirect to a file",
      "registry.unreachable",
      /redirects to what is no web address\n/,
      (image) => (request) =>
        isBlob(request, image)
          ? { status: 307, headers: { location: "file:///etc/passwd" } }
          : undefined,
    ],
    [
      "a redirect to itself",
      "registry.unreachable",
      /redirects without end\n/,
      () => (request) => ({ status: 302, headers: { location: request.path } }),
    ],
    [
      "a length that is none",
      "registry.unreachable",
      /gives an impossible length\n/,
      (image) => (request) =>
        isBlob(request, image) ? { headers: { "content-length": "-5" }, body: "x" } : undefined,
    ],
    ["a registry that is broken", "registry.failed", /answered 500/, () => () => ({ status: 500 })],
    [
      "a connection that is dropped before any answer",
      "registry.unreachable",
      /dropped the connection/,
      () => () => ({ breakAt: { bytes: -1, how: "reset" } }),
    ],
    [
      "a manifest of 100 MB",
      "registry.too_large",
      /more than 4194304 bytes/,
      () => manifestReply("x", { "content-length": "100000000" }),
    ],
    [
      "a manifest that does not end",
      "registry.too_large",
      /more than 4194304 bytes/,
      () => manifestReply(" ".repeat(5_000_000)),
    ],
    ["a manifest that is not JSON", "image.invalid", /not JSON/, () => manifestReply("<html>")],
    [
      "a manifest of schema 1",
      "image.invalid",
      /schema 1/,
      () => manifestReply('{"schemaVersion":1,"name":"app","fsLayers":[]}'),
    ],
    [
      "a manifest and an index at once",
      "image.invalid",
      /at once/,
      () => manifestReply('{"schemaVersion":2,"manifests":[],"layers":[],"config":{}}'),
    ],
    [
      "an artifact that is no image",
      "image.invalid",
      /application\/vnd.example/,
      (image) =>
        manifestReply(image.manifest.replace("vnd.oci.image.config.v1+json", "vnd.example")),
    ],
    [
      "a blob with wrong bytes",
      "registry.digest_mismatch",
      /sent sha256:\w+ instead of sha256:/,
      (image) => (request) => {
        const bytes = Buffer.from(image.blobs[0] ?? "");
        bytes[20] = (bytes[20] ?? 0) ^ 1;
        return isBlob(request, image) ? { body: bytes } : undefined;
      },
    ],
    [
      "a blob longer than it says",
      "registry.digest_mismatch",
      /sent more than/,
      (image) => (request) =>
        isBlob(request, image)
          ? { body: Buffer.concat([image.blobs[0] ?? new Uint8Array(), Buffer.alloc(10)]) }
          : undefined,
    ],
    [
      "a blob shorter than it says",
      "registry.failed",
      /sent only \d+ of \d+ bytes/,
      (image) => (request) =>
        isBlob(request, image) ? { body: (image.blobs[0] ?? "").slice(0, 10) } : undefined,
    ],
    [
      "a blob that is lost",
      "registry.failed",
      /has lost blob/,
      (image) => (request) => (isBlob(request, image) ? { status: 404 } : undefined),
    ],
    [
      "a config with wrong bytes",
      "registry.digest_mismatch",
      /instead of/,
      (image) =>
        ({ path }) =>
          path.endsWith(image.digests.config)
            ? { body: image.config.replace("sh", "hs") }
            : undefined,
    ],
  ];

  test.each(cases)("%s", async (_, code, text, makeScript) => {
    const image = await scriptedImage();
    await using at = await scene(image, makeScript(image));
    const failure = await failureOf(pullImage(at.store.context, at.name));
    expect(failure).toEqual({ code, text: expect.stringMatching(text) as string });
    const kept = at.store.litter().filter((path) => !path.includes("/ingest/"));
    expect(kept).toEqual([]);
  });

  test("wrong bytes are thrown away: the next pull begins afresh and works", async () => {
    const image = await scriptedImage({ layers: [await randomLayer(100_000)] });
    await using at = await scene(image, (request, attempt) => {
      const bytes = Buffer.from(image.blobs[0] ?? "");
      bytes[60_000] = (bytes[60_000] ?? 0) ^ 1;
      return isBlob(request, image) && attempt === 1 ? { body: bytes } : undefined;
    });
    const failure = await failureOf(pullImage(at.store.context, at.name));
    expect(failure.code).toBe("registry.digest_mismatch");
    expect(at.store.litter()).toEqual([]);
    await pullImage(at.store.context, at.name);
    expect(at.registry.requests.at(-1)?.headers.range).toBeUndefined();
  });

  test("wrong bytes that unpack to the right files: these are thrown away, too", async () => {
    const image = await scriptedImage();
    const bytes = Buffer.from(image.blobs[0] ?? "");
    bytes[4] = (bytes[4] ?? 0) ^ 1; // gzip's time stamp (RFC 1952)
    await using at = await scene(image, (request) =>
      isBlob(request, image) ? { body: bytes } : undefined,
    );
    const failure = await failureOf(pullImage(at.store.context, at.name));
    expect(failure.code).toBe("registry.digest_mismatch");
    expect(readdirSync(at.store.context.paths.layers)).toEqual([]);
    expect(at.store.litter()).toEqual([]);
  });

  test("a config that promises another tar than the layer holds", async () => {
    const other = `sha256:${"1".repeat(64)}`;
    const config = { rootfs: { type: "layers", diff_ids: [other] } };
    await using at = await scene(await scriptedImage({ config }));
    const failure = await failureOf(pullImage(at.store.context, at.name));
    expect(failure.code).toBe("registry.digest_mismatch");
    expect(failure.text).toContain(`instead of ${other}`);
    expect(existsSync(join(at.store.context.paths.layers, "1".repeat(64)))).toBe(false);
    expect(at.store.litter()).toEqual([]);
  });

  test("an archive that leads out of the layer, named by its entry", async () => {
    const escape = await tarOf([{ path: "../../escaped", content: "x" }]);
    await using at = await scene(await scriptedImage({ layers: [escape] }));
    const failure = await failureOf(pullImage(at.store.context, at.name));
    expect(failure.code).toBe("layer.invalid");
    expect(failure.text).toContain("escaped");
    expect(at.store.litter()).toEqual([]);
  });

  test("a layer compressed with xz is refused by name", async () => {
    const xz = Buffer.from("fd377a585a000004e6d6b446", "hex");
    await using at = await scene(await scriptedImage({ compress: () => xz }));
    const failure = await failureOf(pullImage(at.store.context, at.name));
    expect(failure).toMatchObject({ code: "layer.invalid" });
    expect(failure.text).toContain("compressed with xz");
  });

  test("a layer that asks for gigabytes of memory is refused", async () => {
    // an empty zstd frame with a window of 2^31 bytes
    const frame = Buffer.from("28b52ffd00a8010000", "hex");
    await using at = await scene(await scriptedImage({ compress: () => frame }));
    const failure = await failureOf(pullImage(at.store.context, at.name));
    expect(failure).toMatchObject({ code: "layer.invalid" });
    expect(failure.text).toContain("more than 128 MiB of memory");
    expect(at.store.litter()).toEqual([]);
  });

  test("a registry that is down", async () => {
    await using store = makeStore();
    const failure = await failureOf(pullImage(store.context, "127.0.0.1:1/app"));
    expect(failure.code).toBe("registry.unreachable");
    expect(failure.text).toContain("127.0.0.1:1");
    expect(failure.text).toContain("refused");
  });
});
