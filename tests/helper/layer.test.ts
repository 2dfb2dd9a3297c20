/** applyLayer() and removeTrees(): honest archives, as an ordinary user in a mapped user namespace. */
import { describe, expect } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { realImages, sharedImages, testWith } from "../support/requirements.ts";
import { until } from "../support/wait.ts";
import { makeLayerFixture, singleId, subordinateIds } from "./layer-fixture.ts";
import { blocksOf, gnuLong, join as joinBytes, rawTar } from "./raw-tar.ts";

const test = testWith(subordinateIds);

/** cap_net_raw+ep as version 2 of linux/capability.h's vfs_cap_data. */
const capNetRaw = Uint8Array.of(1, 0, 0, 2, 0, 0x20, ...new Uint8Array(14));

describe("applyLayer()", () => {
  test("keeps kind, mode, owner, time, links and attributes", async () => {
    await using layer = makeLayerFixture();
    const done = await layer.apply(
      rawTar(
        { name: "./", type: "5", mode: 0o751, pax: { mtime: "1.5" } },
        { name: "d/", type: "5", mode: 0o3755, uid: 8, gid: 9, pax: { mtime: "2.000000001" } },
        { name: "d/f", content: "four", mode: 0o6755, uid: 33, gid: 65_000, mtime: 3 },
        { name: "d/hard", type: "1", link: "d/f" },
        { name: "d/soft", type: "2", link: "/no/where", uid: 5, gid: 6, pax: { mtime: "-1.25" } },
        { name: "d/fifo", type: "6", mode: 0o620, gid: 5, mtime: 4 },
        { name: "d/none", mode: 0, mtime: 5, pax: { "SCHILY.xattr.user.k": "v\0\n=" } },
        { name: "d/ping", mtime: 6, pax: { "SCHILY.xattr.security.capability": capNetRaw } },
      ),
    );
    expect(done).toMatchObject({ entries: 8, bytes: 4, lostOwners: 0, droppedXattrs: 0 });
    const found = (await layer.list()).map((each) =>
      [each.path, each.type, each.mode, each.owner, each.mtime, each.link ?? each.size].join(" "),
    );
    expect(found).toMatchInlineSnapshot(`
      [
        ". directory 0751 0:0 1.5 ",
        "d directory 3755 8:9 2.000000001 ",
        "d/f file 6755 33:65000 3 4",
        "d/fifo fifo 0620 0:5 4 ",
        "d/hard link 6755 33:65000 3 d/f",
        "d/none file 0000 0:0 5 0",
        "d/ping file 0644 0:0 6 0",
        "d/soft symlink 0777 5:6 -1.25 /no/where",
      ]
    `);
    const xattrs = (await layer.list()).map(({ xattrs }) => xattrs).filter(Boolean);
    expect(xattrs).toEqual([
      { "user.k": "v\0\n=" },
      { "security.capability": Buffer.from(capNetRaw).toString("latin1") },
    ]);
  });

  test("understands long names and large numbers in every dialect", async () => {
    await using layer = makeLayerFixture();
    const long = `${"n".repeat(200)}/${"m".repeat(255)}`;
    await layer.apply(
      rawTar(
        gnuLong("L", long),
        { name: "cut", content: "gnu" },
        gnuLong("K", "t".repeat(300)),
        { name: "soft", type: "2", link: "cut" },
        { name: "cut", content: "pax", pax: { path: `p/${long}`, uid: "70", size: "3" } },
        { name: "cut", type: "2", pax: { linkpath: "é", path: "été" } },
      ),
    );
    expect(await layer.paths()).toEqual(
      [".", "n".repeat(200), long, "p", `p/${"n".repeat(200)}`, `p/${long}`, "soft", "été"].sort(),
    );
    expect((await layer.list()).find(({ path }) => path === "soft")?.link).toBe("t".repeat(300));
    expect((await layer.list()).find(({ path }) => path === `p/${long}`)?.owner).toBe("70:0");
  });

  test("makes parents nobody announced, and the root 0755 when it is not in the archive", async () => {
    await using layer = makeLayerFixture();
    const done = await layer.apply(rawTar({ name: "a/b/c", content: "x", mtime: 7, uid: 9 }));
    expect(done.inventedDirectories).toBe(2);
    const found = await layer.list();
    expect(
      found.map(({ path, mode, owner, mtime }) => `${path} ${mode} ${owner} ${mtime}`),
    ).toEqual([". 0755 0:0 0", "a 0755 0:0 7", "a/b 0755 0:0 7", "a/b/c 0644 9:0 7"]);
  });

  test("turns whiteouts into overlayfs' own, and keeps what the layer itself has", async () => {
    await using layer = makeLayerFixture();
    const done = await layer.apply(
      rawTar(
        { name: ".wh.gone" },
        { name: "d/", type: "5" },
        { name: "d/.wh..wh..opq" },
        { name: "d/new", content: "x" },
        { name: "kept", content: "x" },
        { name: ".wh.kept" },
        { name: "dir/", type: "5" },
        { name: ".wh.dir" },
        { name: ".wh.later" },
        { name: "later/", type: "5" },
        { name: ".wh.implied" },
        { name: "implied/file" },
        { name: ".wh..wh.plnk/1.2" },
        { name: ".wh..wh.aufs" },
      ),
    );
    expect(done.opaqueRoot).toBe(false);
    const found = (await layer.list()).map(({ path, type, xattrs }) =>
      [path, type, ...Object.entries(xattrs ?? {}).map(([key, value]) => `${key}=${value}`)].join(
        " ",
      ),
    );
    const opaque = "user.overlay.opaque=y";
    expect(found).toEqual([
      ". directory",
      `d directory ${opaque}`,
      "d/new file",
      `dir directory ${opaque}`,
      "gone character-device 0:0",
      `implied directory ${opaque}`,
      "implied/file file",
      "kept file",
      `later directory ${opaque}`,
    ]);
  });

  test("says when the layer hides everything below it", async () => {
    await using layer = makeLayerFixture();
    expect(await layer.apply(rawTar({ name: ".wh..wh..opq" }))).toMatchObject({ opaqueRoot: true });
  });

  test("lets the later entry win", async () => {
    await using layer = makeLayerFixture();
    await layer.apply(
      rawTar(
        { name: "file", content: "one", mode: 0o600 },
        { name: "file", content: "second" },
        { name: "dir/", type: "5", mode: 0o700, uid: 1 },
        { name: "dir/kept" },
        { name: "dir/", type: "5", mode: 0o711, uid: 2 },
        { name: "tree/deep/er/file" },
        { name: "tree", content: "now a file" },
        { name: "flat", content: "a file" },
        { name: "flat/", type: "5" },
        { name: "flat/inside" },
        { name: "soft", type: "2", link: "dir" },
        { name: "soft/", type: "5" },
        { name: "self", content: "itself" },
        { name: "self", type: "1", link: "self" },
      ),
    );
    const found = await layer.list();
    expect(found.map(({ path, type, mode, owner }) => `${path} ${type} ${mode} ${owner}`)).toEqual([
      ". directory 0755 0:0",
      "dir directory 0711 2:0",
      "dir/kept file 0644 0:0",
      "file file 0644 0:0",
      "flat directory 0755 0:0",
      "flat/inside file 0644 0:0",
      "self file 0644 0:0",
      "soft directory 0755 0:0",
      "tree file 0644 0:0",
    ]);
    expect(readFileSync(join(layer.directory, "file"), "utf8")).toBe("second");
    expect(readFileSync(join(layer.directory, "self"), "utf8")).toBe("itself");
  });

  test("follows a symbolic link in the middle of a path, inside the root", async () => {
    await using layer = makeLayerFixture();
    await layer.apply(
      rawTar(
        { name: "usr/lib/", type: "5", mode: 0o750 },
        { name: "lib", type: "2", link: "usr/lib" },
        { name: "lib/a", content: "a" },
        { name: "abs", type: "2", link: "/usr/lib" },
        { name: "abs/b", content: "b" },
        { name: "abs/sub/", type: "5", mode: 0o700 },
        { name: "dangling", type: "2", link: "/run/made" },
        { name: "dangling/c", content: "c" },
      ),
    );
    expect(await layer.paths()).toEqual([
      ...[".", "abs", "dangling", "lib", "run", "run/made", "run/made/c"],
      ...["usr", "usr/lib", "usr/lib/a", "usr/lib/b", "usr/lib/sub"],
    ]);
  });

  test("keeps a lost owner in an attribute, and takes setuid with it", async () => {
    await using layer = makeLayerFixture();
    const done = await layer.apply(
      rawTar(
        { name: "mine", mode: 0o4755 },
        { name: "theirs", mode: 0o6755, uid: 33, gid: 33 },
        { name: "group", mode: 0o2755, gid: 42 },
        { name: "d/", type: "5", mode: 0o2775, uid: 8, gid: 8 },
        { name: "soft", type: "2", link: "mine", uid: 3 },
        { name: "impossible", pax: { uid: "4294967295" } },
      ),
      singleId,
    );
    expect(done.lostOwners).toBe(5);
    const found = (await layer.list()).map(
      ({ path, mode, owner, xattrs }) => `${path} ${mode} ${owner} ${xattrs?.["user.tspod.owner"]}`,
    );
    expect(found).toEqual([
      ". 0755 0:0 undefined",
      "d 2775 0:0 8:8",
      "group 0755 0:0 0:42:2755",
      "impossible 0644 0:0 4294967295:0",
      "mine 4755 0:0 undefined",
      "soft 0777 0:0 undefined",
      "theirs 0755 0:0 33:33:6755",
    ]);
  });

  test("refuses a directory that is not empty", async () => {
    await using layer = makeLayerFixture();
    writeFileSync(join(layer.directory, "old"), "");
    expect(layer.apply(rawTar())).rejects.toThrow("the directory to unpack into is not empty");
    expect(existsSync(join(layer.directory, "old"))).toBe(true);
  });

  test("ends when it is told to, and passes on why its source failed", async () => {
    await using layer = makeLayerFixture();
    const endless = async function* (): AsyncGenerator<Uint8Array> {
      yield joinBytes(blocksOf({ name: "file", size: 2 ** 40 }));
      for (;;) yield await Promise.resolve(new Uint8Array(1 << 16));
    };
    const applied = layer.apply(endless());
    await until("it is writing", () => existsSync(join(layer.directory, "file")));
    layer.signal.abort(new Error("enough"));
    expect(applied).rejects.toThrow("enough");
    await applied.catch(() => undefined);
    await layer.remove(layer.directory);
    expect(existsSync(layer.directory)).toBe(false);
  });

  test("passes on why its source failed", async () => {
    await using layer = makeLayerFixture();
    const failing = async function* (): AsyncGenerator<Uint8Array> {
      yield await Promise.resolve(rawTar({ name: "file", content: "x" }));
      throw new Error("digest does not match");
    };
    expect(layer.apply(failing())).rejects.toThrow("digest does not match");
  });
});

describe("real images", () => {
  testWith(subordinateIds, realImages).each(["alpine", "busybox"])(
    "applyLayer() makes of %s what tar makes of it",
    async (name) => {
      await using layer = makeLayerFixture();
      await using other = makeLayerFixture();
      const plain = gunzipLayer(join(sharedImages, name));
      const done = await layer.apply(plain);
      expect(done).toMatchObject({ skippedDevices: 0, lostOwners: 0, inventedDirectories: 0 });
      const command = [
        "unshare",
        "--map-root-user",
        "--map-auto",
        "--",
        "tar",
        "-C",
        other.directory,
      ];
      const tar = Bun.spawn([...command, "--numeric-owner", "-xpf", "-"], { stdin: plain });
      expect(await tar.exited).toBe(0);
      const mine = await layer.list();
      expect(mine.length).toBeGreaterThan(400);
      expect(mine).toEqual(await other.list());
    },
  );
});

function gunzipLayer(layout: string): Uint8Array<ArrayBuffer> {
  const read = (digest: string): Buffer<ArrayBuffer> =>
    readFileSync(join(layout, "blobs", digest.replace(":", "/")));
  const parse = (digest: string): Linked => JSON.parse(read(digest).toString()) as Linked;
  const { manifests } = JSON.parse(readFileSync(join(layout, "index.json"), "utf8")) as Linked;
  let manifest = parse(manifests?.[0]?.digest ?? "");
  if (manifest.manifests !== undefined) manifest = parse(manifest.manifests[0]?.digest ?? "");
  return Bun.gunzipSync(read(manifest.layers?.[0]?.digest ?? ""));
}

/** What these tests read of an index or a manifest. */
interface Linked {
  manifests?: { digest: string }[];
  layers?: { digest: string }[];
}

describe("removeTrees()", () => {
  test("leaves to somebody else what they are removing", async () => {
    await using layer = makeLayerFixture();
    await layer.apply(rawTar({ name: "f" }));
    const other = Bun.spawn(["flock", layer.directory, "sh", "-c", "echo; read _"], {
      ...{ stdin: "pipe", stdout: "pipe" },
    });
    await other.stdout.getReader().read(); // it has the lock
    await layer.remove(layer.directory);
    expect(existsSync(join(layer.directory, "f"))).toBe(true);
    other.stdin.end();
    await other.exited;
    await layer.remove(layer.directory);
    expect(existsSync(layer.directory)).toBe(false);
  });

  test("removes any owner and mode, keeps what links point at, and can be repeated", async () => {
    await using layer = makeLayerFixture();
    await layer.apply(
      rawTar(
        { name: "closed/", type: "5", mode: 0, uid: 7 },
        { name: "closed/file", uid: 8, mode: 0 },
        { name: "sticky/", type: "5", mode: 0o1777, uid: 9 },
        { name: "sticky/file", uid: 10 },
        { name: "out", type: "2", link: join(layer.base, "sentinel") },
      ),
    );
    const link = join(layer.base, "tree-link");
    symlinkSync("sentinel", link);
    await layer.remove(layer.directory, link, join(layer.base, "never-was"));
    await layer.remove(layer.directory);
    expect(existsSync(layer.directory)).toBe(false);
    expect(existsSync(join(layer.base, "sentinel/etc/passwd"))).toBe(true);
  });

  test(
    "removes 10,000 levels and directories their owner closed",
    async () => {
      await using layer = makeLayerFixture();
      digDown(join(layer.directory, "deep"), 10_000);
      mkdirSync(join(layer.directory, "closed/inside"), { recursive: true });
      writeFileSync(join(layer.directory, "closed/inside/file"), "");
      for (const name of ["closed/inside", "closed"]) chmodSync(join(layer.directory, name), 0);
      await layer.remove(layer.directory);
      expect(existsSync(layer.directory)).toBe(false);
    },
    removalTimeoutMs,
  );
});

/** A journal shared with other work can hold ten thousand removals up. */
const removalTimeoutMs = 60_000;

/** No path that long can be named: the tree is built from its end, each step by short names. */
function digDown(directory: string, levels: number): void {
  const above = `${directory}-above`;
  mkdirSync(directory);
  for (let level = 1; level < levels; level++) {
    mkdirSync(above);
    renameSync(directory, join(above, "d"));
    renameSync(above, directory);
  }
}
