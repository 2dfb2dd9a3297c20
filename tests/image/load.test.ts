/** Archives of strangers: whatever is wrong with one, it is said with the entry's name, and nothing of it is left. */
import { describe, expect } from "bun:test";
import { mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { TspodError } from "../../src/errors.ts";
import {
  listImages,
  loadLoader,
  loadOpener,
  pullImage,
  recoverContent,
} from "../../src/image/index.ts";
import { parseDockerArchive } from "../../src/oci/docker-archive.ts";
import { chance, mutate, mutateJson } from "../support/fuzz.ts";
import { failureOf, helperBuilt, makeStore, type TestStore } from "../support/image-store.ts";
import { type Entry, tarOf } from "../support/oci-image.ts";
import { testWith } from "../support/requirements.ts";
import { digestOf, scriptedImage, startScriptedRegistry } from "../support/scripted-registry.ts";

const test = testWith(helperBuilt);
const hex = (bytes: string | Uint8Array): string => digestOf(bytes).slice("sha256:".length);

async function* chunksOf(bytes: Uint8Array, sizeBytes = 1000): AsyncIterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += sizeBytes) yield bytes.subarray(at, at + sizeBytes);
}

/** Names of what was loaded. */
async function load({ context }: TestStore, bytes: Uint8Array): Promise<string[]> {
  const { loadImages } = await loadLoader();
  const names: string[] = [];
  const source = { bytes: chunksOf(bytes), what: '"x.tar"' };
  for await (const image of loadImages(context, source)) names.push(...image.names);
  return names;
}

const layer = await tarOf([{ path: "hello.txt", content: "hello" }]);
const emptyLayer = await tarOf([]);
const config = JSON.stringify({
  ...{ os: "linux", architecture: process.arch === "x64" ? "amd64" : "arm64" },
  ...{ config: {}, rootfs: { type: "layers", diff_ids: [digestOf(layer)] } },
});
const image = { Config: "config.json", RepoTags: ["app:1"], Layers: ["layer.tar"] };
const manifestEntry = (changes: object = {}): Entry => ({
  path: "manifest.json",
  content: JSON.stringify([{ ...image, ...changes }]),
});
const configEntry: Entry = { path: "config.json", content: config };
const layerEntry: Entry = { path: "layer.tar", content: layer };

function contentOf({ context: { paths } }: TestStore): { blobs: string[]; layers: string[] } {
  return { blobs: readdirSync(paths.blobs), layers: readdirSync(paths.layers) };
}

const [topId, baseId] = ["a".repeat(64), "b".repeat(64)];

/** Docker's before 1.10: one layer below another. */
function legacy(
  changes: { repositories?: object; parent?: string; json?: object; withLayers?: boolean } = {},
): Entry[] {
  const { repositories = { "old/app": { "1": topId, "2": topId } }, withLayers = true } = changes;
  const ran = { Cmd: ["/bin/sh", "-c", "#(nop) ADD file"] };
  const base = { id: baseId, created: "2014-05-06T07:08:09Z", container_config: ran, Size: 5 };
  const top = { ...base, id: topId, parent: changes.parent ?? baseId, comment: "above" };
  const own = { os: "linux", architecture: "amd64", config: { Cmd: ["sh"], Env: ["A=1"] } };
  return [
    { path: "repositories", content: JSON.stringify(repositories) },
    { path: `${topId}/json`, content: JSON.stringify({ ...top, ...own, ...changes.json }) },
    { path: `${baseId}/json`, content: JSON.stringify(base) },
    ...(withLayers
      ? [
          { path: `${topId}/VERSION`, content: "1.0" },
          { path: `${topId}/layer.tar`, content: emptyLayer },
          { path: `${baseId}/layer.tar`, content: layer },
        ]
      : []),
  ];
}

/** An OCI layout as entries. */
function layout(changes: { index?: object; manifest?: object; blob?: Uint8Array } = {}): Entry[] {
  const type = (name: string): string => `application/vnd.oci.image.${name}`;
  const blob = Bun.gzipSync(new Uint8Array(layer));
  const descriptor = (mediaType: string, bytes: string | Uint8Array): object => ({
    ...{ mediaType, digest: digestOf(bytes), size: Buffer.byteLength(bytes) },
  });
  const manifest = JSON.stringify({
    ...{ schemaVersion: 2, mediaType: type("manifest.v1+json") },
    config: descriptor(type("config.v1+json"), config),
    layers: [descriptor(type("layer.v1.tar+gzip"), blob)],
    ...changes.manifest,
  });
  const annotations = { "org.opencontainers.image.ref.name": "example.org/app:1" };
  const top = { ...descriptor(type("manifest.v1+json"), manifest), annotations };
  return [
    { path: "oci-layout", content: '{"imageLayoutVersion":"1.0.0"}' },
    {
      path: "index.json",
      content: JSON.stringify({ schemaVersion: 2, manifests: [top], ...changes.index }),
    },
    { path: `blobs/sha256/${hex(manifest)}`, content: manifest },
    { path: `blobs/sha256/${hex(config)}`, content: config },
    { path: `blobs/sha256/${hex(blob)}`, content: changes.blob ?? blob },
  ];
}

describe("loadImages()", () => {
  test("reads entries in any order, with or without ./", async () => {
    await using store = makeStore();
    const entries = [manifestEntry(), configEntry, layerEntry];
    for (const order of [entries, entries.toReversed()]) {
      const dotted = order.map((entry) => ({ ...entry, path: `./${entry.path}` }));
      expect(await load(store, await tarOf(order))).toEqual(["docker.io/library/app:1"]);
      expect(await load(store, await tarOf(dotted))).toEqual(["docker.io/library/app:1"]);
    }
    expect(await load(store, await tarOf(layout().toReversed()))).toEqual(["example.org/app:1"]);
    expect(listImages(store.context)).toHaveLength(1);
    await store.clean();
  });

  test("reads what docker writes since 25, and go-containerregistry", async () => {
    await using store = makeStore();
    const blobs = layout();
    const [, , , configBlob, layerBlob] = blobs;
    const both = manifestEntry({
      ...{ Config: configBlob?.path, Layers: [layerBlob?.path], RepoTags: ["both:1", "b/c:2"] },
    });
    expect(await load(store, await tarOf([...blobs, both]))).toEqual([
      ...["docker.io/library/both:1", "docker.io/b/c:2"],
    ]);
    const crane = manifestEntry({ Config: digestOf(config), Layers: ["0.tar.gz"], RepoTags: null });
    const packed = Bun.gzipSync(new Uint8Array(layer));
    const entries = [
      { path: digestOf(config), content: config },
      { path: "0.tar.gz", content: packed },
    ];
    expect(await load(store, await tarOf([...entries, crane]))).toEqual([]);
    const [record, ...others] = listImages(store.context);
    expect([record?.names.length, others]).toEqual([2, []]);
    await store.clean();
  });

  test("reads what docker wrote before 1.10, and makes its config", async () => {
    await using store = makeStore();
    for (const order of [legacy(), legacy().toReversed()]) {
      expect(await load(store, await tarOf(order))).toEqual([
        ...["docker.io/old/app:1", "docker.io/old/app:2"],
      ]);
    }
    const [record, ...others] = listImages(store.context);
    expect(others).toEqual([]);
    expect(JSON.parse(record?.configText ?? "")).toEqual({
      ...{ created: "2014-05-06T07:08:09Z", comment: "above", os: "linux", architecture: "amd64" },
      container_config: { Cmd: ["/bin/sh", "-c", "#(nop) ADD file"] },
      config: { Cmd: ["sh"], Env: ["A=1"] },
      rootfs: { type: "layers", diff_ids: [digestOf(layer), digestOf(emptyLayer)] },
      history: [
        { created: "2014-05-06T07:08:09Z", created_by: "/bin/sh -c #(nop) ADD file" },
        {
          ...{ created: "2014-05-06T07:08:09Z", created_by: "/bin/sh -c #(nop) ADD file" },
          comment: "above",
        },
      ],
    });
    expect(record?.layers).toHaveLength(2);
    expect(store.litter()).toEqual([]);
  });

  test("a pull of the same files has its own blobs all the same", async () => {
    await using registry = await startScriptedRegistry(await scriptedImage({ layers: [layer] }));
    await using store = makeStore({ mirror: registry.address });
    await load(store, await tarOf([manifestEntry(), configEntry, layerEntry]));
    const before = new Set(contentOf(store).blobs);
    await pullImage(store.context, "pulled");
    const record = listImages(store.context).find(({ names }) =>
      names.some(({ reference }) => reference.includes("pulled")),
    );
    const { layers } = JSON.parse(record?.manifest ?? "") as { layers: { digest: string }[] };
    const blobs = contentOf(store).blobs;
    expect(layers.filter(({ digest }) => !blobs.includes(digest.slice(7)))).toEqual([]);
    expect(layers.some(({ digest }) => !before.has(digest.slice(7)))).toBe(true);
    expect(contentOf(store).layers).toHaveLength(1);
  });

  test("blobs that a pull of the same image has put others in the place of go", async () => {
    const pulled = await scriptedImage({ layers: [layer] });
    await using registry = await startScriptedRegistry(pulled);
    await using store = makeStore({ mirror: registry.address });
    const entries = [manifestEntry(), { path: "config.json", content: pulled.config }, layerEntry];
    await load(store, await tarOf(entries));
    await pullImage(store.context, "app:1");
    await recoverContent(store.context);
    expect(listImages(store.context)).toHaveLength(1);
    const { manifest, config, layers } = pulled.digests;
    const wanted = [manifest, config, ...layers].map((digest) => digest.slice("sha256:".length));
    expect(contentOf(store).blobs.toSorted()).toEqual(wanted.toSorted());
  });

  test("what is here keeps its manifest and its blobs, and gets the names", async () => {
    await using store = makeStore();
    await load(store, await tarOf(layout()));
    const before = contentOf(store);
    const manifestDigest = listImages(store.context)[0]?.manifestDigest;
    await load(store, await tarOf([manifestEntry(), configEntry, layerEntry]));
    expect(contentOf(store)).toEqual(before);
    const [record] = listImages(store.context);
    expect(record?.manifestDigest).toBe(manifestDigest);
    expect(record?.names).toHaveLength(2);
    // unless something of it is missing
    const [blob = ""] = before.blobs;
    rmSync(join(store.context.paths.blobs, blob));
    await load(store, await tarOf(layout()));
    expect(contentOf(store).blobs.toSorted()).toEqual(before.blobs.toSorted());
  });

  test("follows a link of docker's to another entry", async () => {
    await using store = makeStore();
    const linked = manifestEntry({ Layers: ["a/layer.tar"] });
    const link: Entry = { path: "a/layer.tar", linkTo: "../layer.tar" };
    const tar = await tarOf([layerEntry, link, configEntry, linked]);
    expect(await load(store, tar)).toEqual(["docker.io/library/app:1"]);
  });

  test.each<[string, Entry[], RegExp]>([
    ["nothing", [], /no manifest\.json and no index\.json/],
    ["files alone", [layerEntry], /tspod import/],
    ["docker before 1.10, without an image", legacy({ repositories: {} }), /no image/],
    [
      "docker before 1.10, with an id that leads out",
      legacy({ repositories: { app: { a: "../../x" } } }),
      /no id of a layer/,
    ],
    [
      "docker before 1.10, with a layer above itself",
      legacy({ parent: topId }),
      /more than \d+ layers/,
    ],
    [
      "docker before 1.10, without what is below",
      legacy({ parent: "c".repeat(64) }),
      /is not in it/,
    ],
    [
      "docker before 1.10, with nonsense",
      legacy({ json: { container_config: 3 } }),
      /container_config/,
    ],
    ["docker before 1.10, without its files", legacy({ withLayers: false }), /layer\.tar/],
    ["an empty list", [{ path: "manifest.json", content: "[]" }], /holds no image/],
    ["no JSON", [{ path: "manifest.json", content: "[{" }], /not JSON/],
    ["no config", [manifestEntry(), layerEntry], /"config\.json" is not in it/],
    ["no layer", [manifestEntry(), configEntry], /"layer\.tar" is not in it/],
    [
      "a path of the host",
      [manifestEntry({ Config: "/etc/passwd" }), layerEntry],
      /"\/etc\/passwd" is not in it/,
    ],
    [
      "a link out",
      [manifestEntry(), configEntry, { path: "layer.tar", linkTo: "../../../etc/passwd" }],
      /"layer\.tar" is not in it/,
    ],
    [
      "a link to a link",
      [
        ...[manifestEntry(), configEntry, layerEntry],
        { path: "one", linkTo: "layer.tar" },
        { path: "two", linkTo: "one" },
        ...[],
      ].map((entry) =>
        entry.path === "manifest.json" ? manifestEntry({ Layers: ["two"] }) : entry,
      ),
      /"two": it is a link to a link/,
    ],
    [
      "a pipe for a layer",
      [manifestEntry(), configEntry, { path: "layer.tar", type: "fifo" }],
      /"layer\.tar": it is neither a file nor a link/,
    ],
    [
      "an entry twice",
      [manifestEntry(), configEntry, configEntry],
      /"config\.json" is in it twice/,
    ],
    [
      "another layer",
      [manifestEntry(), configEntry, { ...layerEntry, content: emptyLayer }],
      /"layer\.tar" unpacks to sha256:\w+ instead of sha256:/,
    ],
    [
      "another layer after a good one",
      [
        manifestEntry({ Layers: ["layer.tar", "other.tar"] }),
        { ...configEntry, content: config.replace(/("sha256:\w+")/, "$1,$1") },
        ...[layerEntry, { path: "other.tar", content: emptyLayer }],
      ],
      /"other\.tar" unpacks to/,
    ],
    [
      "no layer in a layer",
      [manifestEntry(), configEntry, { ...layerEntry, content: "x".repeat(2000) }],
      /layer/,
    ],
    [
      "more layers than the config says",
      [manifestEntry({ Layers: ["layer.tar", "layer.tar"] }), configEntry, layerEntry],
      /has 2 layers, its config 1/,
    ],
    [
      "a name that is none",
      [manifestEntry({ RepoTags: ["../../x"] }), configEntry, layerEntry],
      /"\.\.\/\.\.\/x" is no name/,
    ],
    [
      "a digest for a name",
      [manifestEntry({ RepoTags: [`x@${digestOf("x")}`] }), configEntry, layerEntry],
      /is no name/,
    ],
    ["another blob", layout({ blob: new Uint8Array(10) }), /blobs\/sha256\/\w+" is damaged/],
    ["a blob that is not there", layout().slice(0, 4), /"blobs\/sha256\/\w+" is not in it/],
    [
      "a size that is another",
      layout({
        manifest: {
          layers: [
            {
              mediaType: "application/vnd.oci.image.layer.v1.tar+gzip",
              digest: digestOf(Bun.gzipSync(new Uint8Array(layer))),
              size: 1,
            },
          ],
        },
      }),
      /bytes instead of 1/,
    ],
    ["an index of nothing we run", layout({ index: { manifests: [] } }), /holds no image/],
  ])("refuses %s", async (_, entries, sentence) => {
    await using store = makeStore();
    const failure = await failureOf(load(store, await tarOf(entries)));
    expect(failure.text).toMatch(sentence);
    expect(failure.text).toContain("x.tar");
    expect(listImages(store.context)).toEqual([]);
    await store.clean();
    expect(contentOf(store)).toEqual({ blobs: [], layers: [] });
  });

  test("says of anything that is no archive that it is none", async () => {
    await using store = makeStore();
    for (const bytes of ["x".repeat(2000), "x", Buffer.from("1f8b0800", "hex"), layer.slice(7)]) {
      const failure = await failureOf(load(store, Buffer.from(bytes)));
      expect(failure.text).toMatch(/no tar archive|middle|damaged/);
    }
    const two = Buffer.concat([await tarOf(layout()), await tarOf(layout())]);
    expect((await failureOf(load(store, two))).text).toContain("something follows after its end");
    expect(listImages(store.context)).toEqual([]);
  });

  test("cut off anywhere, it is refused whole", async () => {
    await using store = makeStore();
    const whole = await tarOf(layout());
    for (let length = 0; length < whole.length - 1024; length += 256 + (length % 3)) {
      const failure = await failureOf(load(store, whole.slice(0, length)));
      expect(failure.code).toMatch(/^(image|layer)\.invalid$/);
    }
    expect(listImages(store.context)).toEqual([]);
    // nor where all that was cut off had been passed over, beside an image that is here
    const docker = await tarOf([
      manifestEntry(),
      configEntry,
      { path: "rest", content: "y".repeat(9000) },
    ]);
    await load(store, await tarOf([manifestEntry(), configEntry, layerEntry]));
    const cut = await failureOf(load(store, docker.slice(0, -6000)));
    expect(cut.text).toContain('in the middle of "rest"');
    await store.clean();
  });

  test("with a few bytes changed, it is loaded as it was or refused", async () => {
    await using store = makeStore();
    const random = chance(7);
    const whole = await tarOf(layout());
    for (let round = 0; round < 200; round++) {
      const bytes = whole.slice();
      for (let changes = 1 + random.below(3); changes > 0; changes--) {
        bytes[random.below(bytes.length)] = random.below(256);
      }
      try {
        await load(store, bytes);
      } catch (error) {
        if (!(error instanceof TspodError)) throw new Error(`round ${round}`, { cause: error });
      }
    }
    expect(listImages(store.context).length).toBeLessThan(2);
    await store.clean();
  });

  test("a directory's blobs are its own files", async () => {
    await using store = makeStore();
    const directory = join(store.root, "layout");
    mkdirSync(join(directory, "blobs/sha256"), { recursive: true });
    const entries = layout();
    const [last] = entries.slice(-1);
    for (const { path, content = "" } of entries.slice(0, -1)) {
      writeFileSync(join(directory, path), content);
    }
    const outside = join(store.root, "outside");
    writeFileSync(outside, last?.content ?? "");
    symlinkSync(outside, join(directory, last?.path ?? ""));
    const { openArchive } = await loadOpener();
    const { loadImages } = await loadLoader();
    const failure = await failureOf(
      Array.fromAsync(loadImages(store.context, openArchive(directory))),
    );
    expect(failure.text).toContain("it is a symbolic link");
  });
});

test("parseDockerArchive() takes nonsense for nonsense", () => {
  const random = chance(11);
  const good = [{ ...image, Parent: null }];
  for (let round = 0; round < 3000; round++) {
    const text =
      round % 2 === 0
        ? mutate(JSON.stringify(good), random)
        : JSON.stringify(mutateJson(good, random));
    try {
      for (const { config: name, layers, names } of parseDockerArchive(text, "x")) {
        expect([name, ...layers, ...names].every((each) => typeof each === "string")).toBe(true);
      }
    } catch (error) {
      expect(error).toBeInstanceOf(TspodError);
    }
  }
});
