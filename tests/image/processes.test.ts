/** Several processes on one store, and processes that die: one transfer, nothing lost, nothing left. */
import { describe, expect } from "bun:test";
import { randomBytes } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { constants, zstdCompressSync } from "node:zlib";
import { listImages, pullImage, recoverContent, removeImage } from "../../src/image/index.ts";
import { hasBlob } from "../../src/store/content.ts";
import type { TransportLimits } from "../../src/registry/index.ts";
import type { Digest } from "../../src/oci/index.ts";
import { helperBuilt, makeStore, type TestStore } from "../support/image-store.ts";
import { rawTar } from "../helper/raw-tar.ts";
import { tarOf } from "../support/oci-image.ts";
import { testWith } from "../support/requirements.ts";
import { randomLayer, scriptedImage, startScriptedRegistry } from "../support/scripted-registry.ts";
import { treeRoot } from "../support/tree.ts";
import { until } from "../support/wait.ts";

const test = testWith(helperBuilt);
const mebi = 1024 * 1024;
const withLargeWindow = (tar: Uint8Array): Uint8Array =>
  zstdCompressSync(tar, { params: { [constants.ZSTD_c_windowLog]: 27 } });
const worker = join(treeRoot, "tests/support/pull-worker.ts");

function startPull(
  { root }: TestStore,
  name: string,
  limits: Partial<TransportLimits> = {},
): Bun.Subprocess<"ignore", "pipe", "pipe"> {
  return Bun.spawn([process.execPath, worker, root, name, JSON.stringify(limits)], {
    ...{ stdin: "ignore", stdout: "pipe", stderr: "pipe" },
  });
}

/** Leases, half-made layers and half-fetched blobs that no process answers for. */
function leftovers({ context, litter }: TestStore): unknown[] {
  return [...litter(), ...context.database.query("SELECT * FROM lease").all()];
}

async function expectSmallPull(store: TestStore, name: string): Promise<void> {
  const child = startPull(store, name);
  const [said, complaint] = [await child.stdout.text(), await child.stderr.text()];
  expect({ said, complaint }).toEqual({ said: expect.stringMatching(/^sha256:/), complaint: "" });
  const peakKib = Number(said.split("\n")[1]);
  expect(peakKib).toBeGreaterThan(0);
  expect(peakKib * 1024).toBeLessThan(200_000_000);
  expect(leftovers(store)).toEqual([]);
}

describe("pullImage()", () => {
  test("ten processes pulling one image transfer it once, in pieces where it comes slowly", async () => {
    const layers = [await randomLayer(8_000_000, 1), await randomLayer(300_000, 2)];
    const image = await scriptedImage({ layers });
    await using registry = await startScriptedRegistry(image);
    await using store = makeStore();
    const name = `${registry.address}/team/app:1`;
    const slow = { rangePatienceMs: 1, rangeSizeBytes: 200_000 };
    const pulls = Array.from({ length: 10 }, () => startPull(store, name, slow));
    const ends = await Promise.all(
      pulls.map(async (child) => ({
        ...{ status: await child.exited, said: (await child.stdout.text()).split("\n")[0] },
        ...{ complaint: await child.stderr.text() },
      })),
    );
    const good = { status: 0, said: image.digests.config, complaint: "" };
    expect(ends).toEqual(ends.map(() => good));
    const once = image.blobs.reduce((sum, blob) => sum + blob.length, image.config.length);
    expect(registry.blobBytesSent).toBe(once);
    const pieces = registry.requests.filter(({ headers }) => /-\d/.test(headers.range ?? ""));
    expect(pieces.length).toBeGreaterThan(3);
    expect(leftovers(store)).toEqual([]);
    expect(listImages(store.context).length).toBe(1);
  });

  test("half a gibibyte of zeros in half a mebibyte takes no memory", async () => {
    // a name of aufs' own, which is passed over: nothing of it goes to the disk
    const head = rawTar({ name: ".wh..wh.plnk/bomb", size: 512 * mebi }).subarray(0, 512);
    const zeros = new Uint8Array(mebi);
    const parts = [head, ...Array<Uint8Array>(512).fill(zeros), zeros.subarray(0, 1024)];
    const hash = new Bun.CryptoHasher("sha256");
    for (const part of parts) hash.update(part);
    const packed = new Map(parts.map((part) => [part, Bun.gzipSync(new Uint8Array(part))]));
    const blob = Buffer.concat(parts.map((part) => packed.get(part) ?? new Uint8Array()));
    const image = await scriptedImage({
      compress: () => blob, // a gzip file may be several, one after the other (RFC 1952)
      config: { rootfs: { type: "layers", diff_ids: [`sha256:${hash.digest("hex")}`] } },
    });
    await using registry = await startScriptedRegistry(image);
    await using store = makeStore();
    await expectSmallPull(store, `${registry.address}/team/app:1`);
  });

  test("nor does the largest window of zstd", async () => {
    const layer = await tarOf([{ path: "large", content: randomBytes(160 * mebi) }]);
    const image = await scriptedImage({ layers: [layer], compress: withLargeWindow });
    await using registry = await startScriptedRegistry(image);
    await using store = makeStore();
    await expectSmallPull(store, `${registry.address}/team/app:1`);
  });

  test("who waits takes over when the one who fetches dies, and resumes", async () => {
    const compress = (tar: Uint8Array): Uint8Array => tar;
    const image = await scriptedImage({ layers: [await randomLayer(8_000_000)], compress });
    const hex = (image.digests.layers[0] ?? "").slice(7);
    let isStalling = true;
    await using registry = await startScriptedRegistry(image, ({ path }) =>
      path.endsWith(hex) && isStalling
        ? { body: image.blobs[0] ?? "", breakAt: { bytes: 6_000_000, how: "stall" } }
        : undefined,
    );
    await using store = makeStore();
    const name = `${registry.address}/team/app:1`;
    const first = startPull(store, name);
    const ingest = join(store.context.paths.ingest, hex);
    await until(
      "the first has fetched half",
      () => (statSync(ingest, { throwIfNoEntry: false })?.size ?? 0) > 5_000_000,
    );
    const pulling = pullImage(store.context, name);
    await until("the second waits", () =>
      store.events.some((event) => event.kind === "phase" && event.phase === "waiting"),
    );
    isStalling = false;
    first.kill("SIGKILL");
    await pulling;
    const range = registry.requests.at(-1)?.headers.range ?? "";
    expect(Number(/^bytes=(\d+)-$/.exec(range)?.[1])).toBeGreaterThan(5_000_000);
    await first.exited;
    writeFileSync(`${ingest}.ranges.${first.pid}.0.tmp`, "half"); // what it was just about to rename
    await recoverContent(store.context);
    expect(leftovers(store)).toEqual([]);
  });

  test("killed at thirty moments: the next one finishes, and nothing is left after it", async () => {
    const layers = [await randomLayer(600_000, 1), await randomLayer(400_000, 2)];
    const image = await scriptedImage({ layers });
    await using registry = await startScriptedRegistry(image);
    const name = `${registry.address}/team/app:1`;
    const trials = 30;
    for (let trial = 0; trial < trials; trial++) {
      await using store = makeStore();
      const child = startPull(store, name);
      await killAfter(child, store, trial);
      const pulled = await pullImage(store.context, name);
      for (const chain of pulled.layers) {
        const tree = join(store.context.paths.layers, chain, "diff");
        const [file = ""] = readdirSync(tree);
        expect(readFileSync(join(tree, file)).length).toBeGreaterThan(300_000);
      }
      const wanted = [image.digests.config, ...image.digests.layers] as Digest[];
      const sizes = [image.config.length, ...image.blobs.map(({ length }) => length)];
      const missing = wanted.filter(
        (digest, i) => !hasBlob(store.context.paths, digest, sizes[i] ?? 0),
      );
      expect(missing).toEqual([]);
      await recoverContent(store.context);
      expect(leftovers(store)).toEqual([]);
    }
  }, 120_000);
});

/** The moment is given by what has happened on the disk, and within that by luck. */
async function killAfter(
  child: Bun.Subprocess<"ignore", "pipe", "pipe">,
  { context }: TestStore,
  trial: number,
): Promise<void> {
  const { paths } = context;
  const count = (directory: string): number =>
    existsSync(directory) ? readdirSync(directory).length : 0;
  const moments = [
    () => count(paths.ingest) > 0,
    () => count(paths.blobs) > 0,
    () => count(paths.blobs) > 1,
    () => count(paths.layers) > 0,
    () => count(paths.layers) > 1,
    () => readdirSync(paths.layers).some((name) => !name.startsWith(".")),
  ];
  const moment = moments[trial % moments.length] ?? (() => true);
  const isOver = child.exited.then(() => true);
  await until(`moment ${trial}`, async () => {
    const ended = await Promise.race([isOver, Promise.resolve(false)]);
    return ended || (existsSync(paths.layers) && moment());
  });
  child.kill("SIGKILL");
  await child.exited;
}

describe("removeImage() beside pullImage()", () => {
  test("pulled and removed by two at once, the image is whole or gone", async () => {
    const image = await scriptedImage({ layers: [await randomLayer(200_000)] });
    await using registry = await startScriptedRegistry(image);
    await using store = makeStore();
    const name = `${registry.address}/team/app:1`;
    for (let round = 0; round < 10; round++) {
      await pullImage(store.context, name);
      const child = startPull(store, name);
      await removeImage(store.context, name);
      expect(await child.exited).toBe(0);
      for (const { layers, manifestDigest } of listImages(store.context)) {
        expect(
          layers.filter((chain) => !existsSync(join(store.context.paths.layers, chain))),
        ).toEqual([]);
        expect(existsSync(join(store.context.paths.blobs, manifestDigest.slice(7)))).toBe(true);
      }
    }
    expect(leftovers(store)).toEqual([]);
  }, 60_000);
});
