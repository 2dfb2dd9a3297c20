/** A large blob over several connections: pieces, holes that outlive a process, registries that lie about ranges. */
import { describe, expect } from "bun:test";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pullImage, recoverContent } from "../../src/image/index.ts";
import { failureOf, helperBuilt, makeStore, type TestStore } from "../support/image-store.ts";
import { program, testWith } from "../support/requirements.ts";
import {
  honest,
  randomLayer,
  type Reply,
  type Script,
  type ScriptedImage,
  type ScriptedRegistry,
  type ScriptedRequest,
  scriptedImage,
  startScriptedRegistry,
} from "../support/scripted-registry.ts";
import { treeRoot } from "../support/tree.ts";
import { until } from "../support/wait.ts";

const test = testWith(helperBuilt);
const mebi = 1024 * 1024;
/** One connection that stalls is given up soon, and others are opened at once. */
const limits = {
  ...{ rangePatienceMs: 1, rangeSizeBytes: mebi, rangeConnectionsMax: 3, stallTimeoutMs: 300 },
};

let made: Promise<ScriptedImage> | undefined;
/** Eight mebibytes that do not compress. */
const largeImage = (): Promise<ScriptedImage> =>
  (made ??= (async () =>
    scriptedImage({
      layers: [await randomLayer(8 * mebi)],
      compress: (tar: Uint8Array) => tar,
    }))());

/** "bytes=10-19" of the layer; undefined for every other request, and for one to the end. */
function pieceOf(image: ScriptedImage, { path, headers }: ScriptedRequest) {
  const [, start, end] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? "") ?? [];
  if (start === undefined || !path.endsWith(image.digests.layers[0] ?? "")) return undefined;
  return { start: Number(start), end: Number(end) + 1 };
}

/** The stream from the beginning on stops after so many bytes, once. */
function stallingFront(image: ScriptedImage, bytes: number): Script {
  return (request, attempt) =>
    request.path.endsWith(image.digests.layers[0] ?? "") && attempt === 1
      ? { ...honest(image, request), breakAt: { bytes, how: "stall" } }
      : undefined;
}

const piecesAsked = (image: ScriptedImage, { requests }: ScriptedRegistry) =>
  requests.flatMap((request) => pieceOf(image, request) ?? []);

const hexOf = (image: ScriptedImage): string => image.digests.layers[0] ?? "";
const sizeOf = (image: ScriptedImage): number => image.blobs[0]?.length ?? 0;

async function expectPulled(store: TestStore, name: string): Promise<void> {
  const { layers } = await pullImage(store.context, name);
  const file = join(store.context.paths.layers, layers[0] ?? "", "diff/random-1");
  expect(readFileSync(file).length).toBe(8 * mebi);
  await recoverContent(store.context); // of a process that was killed
  expect(store.litter()).toEqual([]);
}

describe("a blob that one connection brings too slowly", () => {
  test("comes in pieces over several, each byte once", async () => {
    const image = await largeImage();
    await using registry = await startScriptedRegistry(image, stallingFront(image, 300_000));
    await using store = makeStore({ limits });
    await expectPulled(store, `${registry.address}/team/app:1`);
    expect(piecesAsked(image, registry).length).toBeGreaterThanOrEqual(8);
    const isWhole = registry.requests.some(
      (request) => request.path.endsWith(hexOf(image)) && !pieceOf(image, request),
    );
    expect(isWhole).toBe(false);
    expect(registry.blobBytesSent).toBe(sizeOf(image) + image.config.length);
    expect(store.events.some(({ kind }) => kind === "downloaded")).toBe(true);
  });

  test("is one stream when it is small; when it comes quickly, its beginning and its rest", async () => {
    const image = await largeImage();
    await using registry = await startScriptedRegistry(image);
    for (const [patient, pieces] of [
      [{ rangeSizeBytes: 5 * mebi }, []],
      [{ rangePatienceMs: 60_000 }, [{ start: 0, end: mebi }]],
    ] as const) {
      const before = registry.blobBytesSent;
      registry.requests.length = 0;
      await using store = makeStore({ limits: { ...limits, ...patient } });
      await expectPulled(store, `${registry.address}/team/app:1`);
      expect(piecesAsked(image, registry)).toEqual([...pieces]);
      expect(registry.blobBytesSent - before).toBe(sizeOf(image) + image.config.length);
    }
  });

  test("killed with holes in it: the next process fetches what is missing, and only that", async () => {
    const image = await largeImage();
    const isDead = { value: true };
    const honestUnlessDead: Script = (request, attempt) => {
      const piece = pieceOf(image, request);
      if (!isDead.value) return undefined;
      if (piece === undefined) return stallingFront(image, 300_000)(request, attempt);
      // two come whole, then they stall in their middle
      const isFirst = piece.start < 3.5 * mebi;
      return isFirst
        ? undefined
        : { ...honest(image, request), breakAt: { bytes: 500_000, how: "stall" } };
    };
    await using registry = await startScriptedRegistry(image, honestUnlessDead);
    await using store = makeStore({ limits });
    const { paths } = store.context;
    const name = `${registry.address}/team/app:1`;
    const worker = join(treeRoot, "tests/support/pull-worker.ts");
    const patient = JSON.stringify({ ...limits, stallTimeoutMs: 60_000 });
    const child = Bun.spawn([process.execPath, worker, store.root, name, patient], {
      ...{ stdin: "ignore", stdout: "ignore", stderr: "inherit" },
    });
    const ingest = join(paths.ingest, (image.digests.layers[0] ?? "").slice(7));
    const notes = `${ingest}.ranges`;
    await until("all connections stall", () => {
      const stalled = piecesAsked(image, registry).filter(({ start }) => start >= 3.5 * mebi);
      return stalled.length >= 3 && existsSync(notes) && readFileSync(notes, "utf8") !== "";
    });
    child.kill("SIGKILL");
    await child.exited;
    isDead.value = false;
    registry.requests.length = 0;
    const before = registry.blobBytesSent;
    await expectPulled(store, name);
    expect(piecesAsked(image, registry).length).toBeGreaterThan(0);
    const size = image.blobs[0]?.length ?? 0;
    expect(registry.blobBytesSent - before).toBeLessThan(size - 1.5 * mebi);
  });
});

testWith(helperBuilt, program("unshare", "util-linux"))(
  "on a full disk the pieces that came are kept, and what is missing is told",
  async () => {
    const image = await largeImage();
    await using registry = await startScriptedRegistry(image, stallingFront(image, 300_000));
    await using store = makeStore({ limits });
    const root = join(store.root, "small");
    mkdirSync(root);
    const worker = join(treeRoot, "tests/support/pull-worker.ts");
    const pull = [process.execPath, worker, root, `${registry.address}/team/app:1`];
    const script = `
      mount -t tmpfs -o size=6m small "$3" && cp "$3/../registries.conf" "$3"
      "$@" && echo "it has room" >&2; echo; read _
      mount -o remount,size=100m small "$3" && "$@"`;
    const child = Bun.spawn(
      [
        ...["unshare", "--map-root-user", "--map-auto", "--mount", "--", "sh", "-c", script, "sh"],
        ...[...pull, JSON.stringify(limits)],
      ],
      { stdin: "pipe", stdout: "pipe", stderr: "pipe" },
    );
    const said = child.stderr.text();
    await child.stdout.getReader().read();
    const before = registry.blobBytesSent;
    child.stdin.write("go on\n");
    await child.stdin.end();
    const exitCode = await child.exited;
    const stderr = await said;
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: expect.any(String) });
    expect(stderr).toMatch(/no space left, [\d.]+ ?MB more are needed/);
    expect(piecesAsked(image, registry).length).toBeGreaterThan(0);
    const size = image.blobs[0]?.length ?? 0;
    expect(registry.blobBytesSent - before).toBeLessThan(size - 2 * mebi);
  },
);

describe("a registry that does not hand out ranges as it should", () => {
  const answers: [string, (image: ScriptedImage, honestly: Reply, start: number) => Reply][] = [
    ["sends all of it", (image) => ({ body: image.blobs[0] ?? "" })],
    ["refuses", () => ({ status: 400 })],
    ["says there is no such range", () => ({ status: 416 })],
    ["drops the connection", () => ({ breakAt: { bytes: -1, how: "reset" } })],
    [
      "sends another part",
      (image, { body, status }) => ({
        ...{ status: status ?? 206, body: body ?? "" },
        headers: { "content-range": `bytes 0-99/${sizeOf(image)}` },
      }),
    ],
    [
      "speaks of another blob",
      (_, { body }, start) => ({
        ...{ status: 206, body: body ?? "" },
        headers: { "content-range": `bytes ${start}-${start + mebi - 1}/99999999` },
      }),
    ],
    [
      "sends more than was asked for",
      (_, honestly) => ({
        ...honestly,
        body: Buffer.concat([Buffer.from(honestly.body ?? ""), Buffer.alloc(100_000)]),
      }),
    ],
    [
      "sends other bytes",
      (_, honestly) => ({
        ...honestly,
        body: Buffer.alloc(Buffer.byteLength(honestly.body ?? "")),
      }),
    ],
    [
      "breaks every piece off without bringing anything",
      (_, honestly) => ({ ...honestly, breakAt: { bytes: 0, how: "close" } }),
    ],
  ];

  const moments = ["from the first on", "later"] as const;
  const cases = answers.flatMap(([name, answer]) =>
    moments.map((moment) => [name, moment, answer] as const),
  );

  test.each(cases)("%s, %s: one stream brings it", async (name, moment, answer) => {
    const image = await largeImage();
    await using registry = await startScriptedRegistry(image, (request, attempt) => {
      const piece = pieceOf(image, request);
      return piece === undefined || (attempt === 1 && moment === "later")
        ? stallingFront(image, 300_000)(request, attempt)
        : answer(image, honest(image, request), piece.start);
    });
    await using store = makeStore({ limits });
    await expectPulled(store, `${registry.address}/team/app:1`);
    const isAllInOne = ({ path, headers }: ScriptedRequest): boolean =>
      path.endsWith(hexOf(image)) && !/-\d/.test(headers.range ?? "");
    const isFirstTaken = name === "sends all of it" && moment === "from the first on";
    expect(registry.requests.some(isAllInOne)).toBe(!isFirstTaken);
  });

  test("and has a wrong blob at last: it is refused, and nothing of it stays", async () => {
    const image = await largeImage();
    const wrong = Buffer.from(image.blobs[0] ?? "");
    wrong[7 * mebi] = (wrong[7 * mebi] ?? 0) ^ 1;
    const forged = { ...image, blobs: [wrong] };
    await using registry = await startScriptedRegistry(forged, stallingFront(forged, 300_000));
    await using store = makeStore({ limits });
    const failure = await failureOf(pullImage(store.context, `${registry.address}/team/app:1`));
    expect(failure.code).toBe("registry.digest_mismatch");
    expect(store.litter()).toEqual([]);
  });
});
