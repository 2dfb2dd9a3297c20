/** Artifacts: files made one, sent, fetched and written again; names that lie, blobs that are shared, kills. */
import { afterAll, beforeAll, describe, expect } from "bun:test";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { sharedRegistry } from "../support/debian-registry.ts";
import { faultyRegistry, isManifest } from "../support/faulty-registry.ts";
import { registryPrograms, testWith } from "../support/requirements.ts";
import { expectSentence } from "../support/sentence.ts";
import { until } from "../support/wait.ts";
import { makeWorld, type World } from "../support/world.ts";

const test = testWith(...registryPrograms);
const canRun = registryPrograms.every((requirement) => requirement() === undefined);

let world: World;
let address = "";
const mine = `artifact-${process.pid}-${Date.now()}`;

beforeAll(async () => {
  if (!canRun) return;
  ({ address } = await sharedRegistry());
  world = await makeWorld();
  writeFileSync(join(world.home, "note.txt"), "hello\n");
  writeFileSync(join(world.home, "data.bin"), Buffer.from([0, 1, 2, 3]));
}, 60_000);

afterAll(async () => {
  await world?.[Symbol.asyncDispose]();
}, 60_000);

const hashOf = (text: string | Uint8Array): string =>
  `sha256:${new Bun.CryptoHasher("sha256").update(text).digest("hex")}`;
const inspect = async (name: string) => JSON.parse(await world.ok("artifact", "inspect", name));
const blobs = (own: World): string[] => readdirSync(join(own.root, "data/blobs/sha256"));

describe("artifact", () => {
  test("files made one, sent, fetched by another, and written again", async () => {
    const name = `${address}/${mine}/files:1`;
    const add = [
      "artifact",
      "add",
      "--type",
      "application/vnd.example.v1",
      "--annotation",
      "by=me",
    ];
    const hex = await world.ok(...add, name, "note.txt", "data.bin");
    const { Manifest, Name, Digest, TotalSizeBytes } = await inspect(name);
    expect([Name, Digest, TotalSizeBytes]).toEqual([name, `sha256:${hex}`, 10]);
    expect(Manifest).toMatchObject({
      artifactType: "application/vnd.example.v1",
      config: { mediaType: "application/vnd.oci.empty.v1+json", size: 2, data: "e30=" },
      layers: [
        {
          mediaType: "text/plain; charset=utf-8",
          annotations: { "org.opencontainers.image.title": "note.txt", by: "me" },
        },
        { mediaType: "application/octet-stream", size: 4 },
      ],
    });
    const pushed = await world.ok("artifact", "push", "--progress=none", name);
    expect(pushed).toMatch(new RegExp(`^1: digest: sha256:${hex} size: \\d+$`));
    const raw = await Bun.$`skopeo inspect --raw --tls-verify=false docker://${name}`
      .quiet()
      .text();
    expect(hashOf(raw)).toBe(`sha256:${hex}`);

    await using other = await makeWorld();
    expect(await other.ok("artifact", "pull", "-q", name)).toBe(hex);
    const listed = await other.ok(
      "artifact",
      "ls",
      "--format",
      "{{.Repository}}:{{.Tag}} {{.Digest}} {{.Size}}",
    );
    expect(listed).toBe(`${name} ${hex.slice(0, 12)} 10B`);
    mkdirSync(join(other.home, "out"));
    await other.ok("artifact", "extract", name, "out");
    expect(readFileSync(join(other.home, "out/note.txt"), "utf8")).toBe("hello\n");
    expect(lstatSync(join(other.home, "out/data.bin")).mode & 0o777).toBe(0o644);
    await other.ok("artifact", "extract", "--title", "note.txt", hex.slice(0, 8), "one");
    expect(readFileSync(join(other.home, "one"), "utf8")).toBe("hello\n");
    await other.ok("artifact", "extract", "--digest", hashOf("hello\n"), name, "out");
    expect(readdirSync(join(other.home, "out")).sort()[2]).toBe(
      hashOf("hello\n").replace(":", "-"),
    );
    expect(await other.ok("system", "check")).toContain("all is well");
    expect(await other.ok("artifact", "rm", name)).toBe(hex);
    expect(blobs(other)).toEqual([]);
    const told = async (own: World): Promise<string> =>
      own.ok(...["events", "--stream=false", "--since=1h", "-f", `artifact=${name}`], ...format);
    const format = ["--format", "{{.Type}} {{.Status}} {{.ID}}"];
    const id = `sha256:${hex}`;
    expect(await told(world)).toBe(`artifact create ${id}\nartifact push ${id}`);
    expect(await told(other)).toBe(`artifact pull ${id}\nartifact remove ${id}`);
  });

  test("append, replace; what is shared stays until nobody needs it", async () => {
    await world.ok("artifact", "add", "app", "note.txt");
    expectSentence(
      await world.tspod(["artifact", "add", "app", "note.txt"]),
      "already",
      "--append",
    );
    expectSentence(await world.tspod(["artifact", "add", "-a", "app", "note.txt"]), "twice");
    const before = await inspect("app");
    await world.ok("artifact", "add", "--append", "app", "data.bin");
    const after = await inspect("localhost/app:latest");
    expect(after.Manifest.layers).toHaveLength(2);
    expect(after.Manifest.annotations).toEqual(before.Manifest.annotations);
    expect(blobs(world)).not.toContain(before.Digest.slice(7));
    await world.ok("artifact", "add", "second", "note.txt");
    await world.ok("artifact", "rm", "app");
    await world.ok("artifact", "extract", "second", "second.txt");
    expect(readFileSync(join(world.home, "second.txt"), "utf8")).toBe("hello\n");
    await world.ok(
      "artifact",
      "add",
      "--replace",
      "--file-type",
      "text/x-note",
      "second",
      "data.bin",
    );
    expect((await inspect("second")).Manifest.layers).toMatchObject([
      { mediaType: "text/x-note", size: 4 },
    ]);
    await world.ok("image", "prune", "-af");
    expect(await world.ok("system", "check")).toContain("all is well");
    await world.ok("artifact", "rm", "--all");
    expect(blobs(world)).toEqual([]);
  });

  test.each([
    [["add", "x", "/nowhere"], "does not exist"],
    [["add", "x", "/etc"], "is a directory"],
    [["add", "--append", "x", "note.txt"], "Cannot find artifact"],
    [["add", "--append", "--type", "a/b", "x", "note.txt"], "Cannot combine"],
    [["add", "--type", "nonsense", "x", "note.txt"], "media type"],
    [["add", "UPPER", "note.txt"], "UPPER"],
    [["extract", "--digest", "a", "--title", "b", "x", "y"], "Cannot combine"],
    [["inspect", "nothing"], "Cannot find artifact"],
    [["push", "nothing"], "Cannot find artifact"],
    [["rm"], "needs a name"],
    [["rm", "nothing"], "Cannot find artifact"],
  ])("%j is refused in a sentence", async (words, text) => {
    expectSentence(await world.tspod(["artifact", ...words]), text);
  });

  test("an image is no artifact's name; an index is none", async () => {
    await using own = await makeWorld();
    const elsewhere = `${address}/library/elsewhere`;
    expectSentence(await own.tspod(["artifact", "pull", "-q", elsewhere]), "an index");
    expectSentence(await own.tspod(["artifact", "pull", "-q", `${address}/library/none`]), "none");
    expect(await own.ok("artifact", "ls", "-n")).toBe("");
  });

  const titled = (title: string) => ({
    ...{ schemaVersion: 2, mediaType: "application/vnd.oci.image.manifest.v1+json" },
    config: { mediaType: "application/vnd.oci.empty.v1+json", digest: hashOf("{}"), size: 2 },
    layers: [
      {
        ...{ mediaType: "text/plain", digest: hashOf("evil"), size: 4 },
        annotations: { "org.opencontainers.image.title": title },
      },
    ],
  });

  test.each(["../evil", "/tmp/evil", "..", ".", "a/b", "a\u0000b"])(
    "a file called %j is written nowhere",
    async (title) => {
      await using registry = await faultyRegistry((asked) => {
        if (isManifest(asked)) return Response.json(titled(title));
        return new Response(asked.path.endsWith(hashOf("{}")) ? "{}" : "evil");
      });
      await using own = await makeWorld();
      mkdirSync(join(own.home, "out"));
      const name = `${registry.address}/evil`;
      const pulled = await own.tspod(["artifact", "pull", "-q", name]);
      if (pulled.exitCode !== 0) return expectSentence(pulled, "string");
      expectSentence(await own.tspod(["artifact", "extract", name, "out"]), "no file's name");
      expect([readdirSync(join(own.home, "out")), existsSync(join(own.home, "evil"))]).toEqual([
        [],
        false,
      ]);
      await own.ok("artifact", "extract", name, "good");
      expect(readFileSync(join(own.home, "good"), "utf8")).toBe("evil");
    },
  );

  test("a link that is there is replaced, not written through; damage is found", async () => {
    await world.ok("artifact", "add", "--replace", "linked", "note.txt");
    const [out, victim] = [join(world.home, "links"), join(world.home, "victim")];
    mkdirSync(out);
    writeFileSync(victim, "mine");
    symlinkSync(victim, join(out, "note.txt"));
    await world.ok("artifact", "extract", "linked", "links");
    expect(readFileSync(victim, "utf8")).toBe("mine");
    expect(lstatSync(join(out, "note.txt")).isFile()).toBe(true);
    truncateSync(join(world.root, "data/blobs/sha256", hashOf("hello\n").slice(7)), 3);
    expectSentence(await world.tspod(["artifact", "extract", "linked", "links"]), "damaged");
    expect(readdirSync(out)).toEqual(["note.txt"]);
    const checked = await world.tspod(["system", "check"]);
    expect(checked.stdout).toContain("of artifact localhost/linked:latest is damaged");
    await world.ok("artifact", "add", "--replace", "linked", "data.bin");
    rmSync(join(world.root, "data/blobs/sha256", hashOf("hello\n").slice(7)), { force: true });
  });

  test("system check --repair fetches what was damaged", async () => {
    await using own = await makeWorld();
    writeFileSync(join(own.home, "note.txt"), "again\n");
    const name = `${address}/${mine}/mended`;
    await own.ok("artifact", "add", name, "note.txt");
    await own.ok("artifact", "push", "-q", name);
    for (const blob of blobs(own)) rmSync(join(own.root, "data/blobs/sha256", blob));
    expect((await own.tspod(["system", "check"])).exitCode).toBe(1);
    await own.ok("system", "check", "--repair");
    expect(await own.ok("system", "check")).toContain("all is well");
  });

  test("killed while it adds: the next command finds nothing of it, and it can be done again", async () => {
    await using own = await makeWorld();
    const pipe = join(own.home, "pipe");
    await Bun.$`mkfifo ${pipe}`;
    const child = own.start(["artifact", "add", "app", "pipe"]);
    const writer = Bun.spawn(["sh", "-c", `yes > ${pipe}`], { stderr: "ignore" });
    const ingest = join(own.root, "data/ingest");
    const files = () => (existsSync(ingest) ? readdirSync(ingest) : []);
    const isAt = () => files().some((name) => lstatSync(join(ingest, name)).size > 0);
    await until("it has written something", isAt);
    child.kill("SIGKILL");
    await Promise.all([child.exited, writer.exited]);
    expect(await own.ok("artifact", "ls", "-n")).toBe("");
    writeFileSync(join(own.home, "note"), "x");
    await own.ok("artifact", "add", "app", "note");
    await until("nothing is left of it", async () => {
      await own.ok("artifact", "ls");
      return readdirSync(ingest).length === 0;
    });
  });
});
