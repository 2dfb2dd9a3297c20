/** Answers that break off anywhere, documents that contradict each other, and servers that are no registry at all. */
import { expect } from "bun:test";
import { type AddressInfo, createServer } from "node:net";
import { pullImage, removeImage } from "../../src/image/index.ts";
import { failureOf, helperBuilt, makeStore } from "../support/image-store.ts";
import { random } from "../support/random.ts";
import { testWith } from "../support/requirements.ts";
import { honest, scriptedImage, startScriptedRegistry } from "../support/scripted-registry.ts";

const test = testWith(helperBuilt);

test("an answer that breaks off at any byte is asked for again", async () => {
  const image = await scriptedImage();
  const chance = random();
  const answers: [path: string, body: string | Uint8Array][] = [
    ["/manifests/", image.manifest],
    [image.digests.config, image.config],
    [image.digests.layers[0] ?? "", image.blobs[0] ?? ""],
  ];
  await using store = makeStore({ limits: { stallTimeoutMs: 60 } });
  for (const [path, body] of answers) {
    const length = Buffer.byteLength(body);
    // -1: before the head. Each run tries others of them
    for (let bytes = -1; bytes < length; bytes += 1 + chance.below(80)) {
      const how = (["close", "reset", "stall"] as const)[chance.below(bytes < 0 ? 2 : 3)];
      await using registry = await startScriptedRegistry(image, (request, attempt) =>
        request.path.includes(path) && attempt === 1
          ? { ...honest(image, request), breakAt: { bytes, how: how ?? "close" } }
          : undefined,
      );
      const name = `${registry.address}/team/app:1`;
      await pullImage(store.context, name).catch((cause: unknown) => {
        throw new Error(`seed ${chance.seed}: ${how} at ${bytes} of ${path}`, { cause });
      });
      expect(registry.count(path)).toBeGreaterThanOrEqual(2);
      await removeImage(store.context, name);
    }
  }
  await store.clean();
});

test.each([
  ["another service", "SSH-2.0-OpenSSH_9.2\r\n", /what it sends is not HTTP/],
  [
    "chunks that are none",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\nx",
    /what it sends is not HTTP/,
  ],
  [
    "a head of 5,000 lines",
    `HTTP/1.1 200 OK\r\n${"a: b\r\n".repeat(5000)}\r\n`,
    /what it sends is not HTTP/,
  ],
  ["silence", "", /it dropped the connection/],
  [
    "an answer without an end",
    `HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n${" ".repeat(5_000_000)}`,
    /more than 4194304 bytes/,
  ],
])("what is no registry: %s", async (_, answer, sentence) => {
  await using store = makeStore();
  const server = createServer((socket) => {
    socket.on("error", () => undefined); // it is broken off on purpose
    socket.on("data", (bytes) => {
      if (bytes[0] === 0x16)
        socket.destroy(); // a TLS hello: plain HTTP comes next
      else socket.end(answer);
    });
  });
  try {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo; // listening on TCP
    const failure = await failureOf(pullImage(store.context, `127.0.0.1:${port}/app`));
    expect(failure.code).toMatch(/^registry\.(unreachable|too_large)$/);
    expect(failure.text).toMatch(sentence);
    expect(failure.text).not.toContain("verbose");
  } finally {
    server.close();
  }
});

const other = `sha256:${"1".repeat(64)}`;
const largeConfig = { mediaType: "application/vnd.oci.image.config.v1+json", digest: other };

test.each([
  [
    "a config of more layers than there are",
    { config: { rootfs: { type: "layers", diff_ids: [other, other] } } },
    /its manifest has 1 layers, its config 2/,
  ],
  [
    "a config of a gigabyte",
    { manifest: { config: { ...largeConfig, size: 1_000_000_000 } } },
    /its config has 1000000000 bytes, more than/,
  ],
])("%s is refused before a layer is fetched", async (_, changes, sentence) => {
  const image = await scriptedImage(changes);
  await using registry = await startScriptedRegistry(image);
  await using store = makeStore();
  const failure = await failureOf(pullImage(store.context, `${registry.address}/team/app:1`));
  expect(failure.text).toMatch(sentence);
  expect(registry.count(image.digests.layers[0] ?? "")).toBe(0);
  expect(registry.count(other)).toBe(0);
  expect(store.litter()).toEqual([]);
});
