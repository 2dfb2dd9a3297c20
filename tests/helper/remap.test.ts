/** remapLayers(): an unpacked layer once more, for a container that maps ids otherwise. */
import { describe, expect } from "bun:test";
import { statSync } from "node:fs";
import { testWith } from "../support/requirements.ts";
import { makeLayerFixture, singleId, subordinateIds } from "./layer-fixture.ts";
import { rawTar } from "./raw-tar.ts";

const test = testWith(subordinateIds);

/** cap_net_raw+ep as version 2 of linux/capability.h's vfs_cap_data. */
const capNetRaw = Uint8Array.of(1, 0, 0, 2, 0, 0x20, ...new Uint8Array(14));
const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");

const ids = (...lines: [number, number, number][]) => {
  const map = lines.map(([containerID, hostID, size]) => ({ containerID, hostID, size }));
  return { uid: map, gid: map };
};
/** The caller is 1000 inside. */
const keepId = ids([0, 1, 1000], [1000, 0, 1]);
const copied = { isLight: false };
const light = { isLight: true };
const large = "l".repeat(10_000);

describe("remapLayers()", () => {
  test.each([copied, light])(
    "gives files to those whom the map calls by their owners' ids: %j",
    async (how) => {
      await using layer = makeLayerFixture();
      await layer.apply(
        rawTar(
          { name: "made/of/root", uid: 0, gid: 0, mode: 0o751, mtime: 7 },
          { name: "ours", uid: 1000, gid: 1000 },
          { name: "other", uid: 7, gid: 1000, mode: 0o4755 },
          { name: "nobodys", uid: 5000, gid: 7, mode: 0o4755 },
          { name: "soft", type: "2", link: "x", uid: 5, gid: 6 },
          { name: "fifo", type: "6", mode: 0o620, gid: 5, mtime: 4 },
          { name: "ping", content: large, pax: { "SCHILY.xattr.security.capability": capNetRaw } },
          { name: "noted", pax: { "SCHILY.xattr.user.k": "v\0\n=" } },
        ),
      );
      const { done, to } = await layer.remap(keepId, how);
      expect(done).toMatchObject({ lostOwners: 1, droppedXattrs: 0 });
      const found = await layer.list(to);
      expect(
        found.map(({ path, mode, owner, mtime }) => `${path} ${mode} ${owner} ${mtime}`),
      ).toEqual([
        ...[". 0755 1:1 0", "fifo 0620 1:6 4", "made 0755 1:1 7", "made/of 0755 1:1 7"],
        ...[
          "made/of/root 0751 1:1 7",
          "nobodys 0755 1:8 0",
          "noted 0644 1:1 0",
          "other 4755 8:0 0",
        ],
        ...["ours 0644 0:0 0", "ping 0644 1:1 0", "soft 0777 6:7 0"],
      ]);
      // bound to the id that is root under that map (struct vfs_ns_cap_data)
      const bound = Uint8Array.of(1, 0, 0, 3, ...capNetRaw.subarray(4), 1, 0, 0, 0);
      const xattrsOf = (name: string) => found.find(({ path }) => path === name)?.xattrs;
      expect(xattrsOf("ping")).toMatchObject({ "security.capability": latin1(bound) });
      expect(xattrsOf("noted")).toEqual({ "user.k": "v\0\n=" });
    },
  );

  test("a copy keeps whiteouts, opaque directories and hard links", async () => {
    await using layer = makeLayerFixture();
    await layer.apply(
      rawTar(
        { name: "d/.wh.gone" },
        { name: "d/opaque/.wh..wh..opq" },
        { name: "d/one", content: "1" },
        { name: "d/two", type: "1", link: "d/one" },
      ),
    );
    const { to } = await layer.remap(keepId, copied);
    const found = await layer.list(to);
    expect(
      found.map(({ path, type, link }) => [path, type, link].filter(Boolean).join(" ")),
    ).toEqual([
      ...[". directory", "d directory", "d/gone character-device 0:0", "d/one file"],
      ...["d/opaque directory", "d/two link d/one"],
    ]);
    expect(found.find(({ path }) => path === "d/opaque")?.xattrs).toEqual({
      "user.overlay.opaque": "y",
    });
  });

  test("light: whiteouts have done their work, and hard links are links", async () => {
    await using layer = makeLayerFixture();
    await layer.apply(
      rawTar(
        { name: "d/.wh.gone" },
        { name: "d/opaque/.wh..wh..opq" },
        { name: "d/one", content: large },
        { name: "d/two", type: "1", link: "d/one" },
      ),
    );
    const { to } = await layer.remap(keepId, light);
    const found = await layer.list(to);
    expect(found.map(({ path, type }) => `${path} ${type}`)).toEqual([
      ...[". directory", "d directory", "d/one file", "d/opaque directory", "d/two link"],
    ]);
    expect(found.find(({ path }) => path === "d/opaque")?.xattrs).toBeUndefined();
  });

  test("light: large files have their size and say where their content is, others have it", async () => {
    await using layer = makeLayerFixture();
    await layer.apply(
      rawTar({ name: "d/large", content: large }, { name: "d/small", content: "s" }),
    );
    const { done, to } = await layer.remap(keepId, light);
    expect(done.bytes).toBe(1);
    const found = await layer.list(to);
    expect(
      found.filter(({ xattrs }) => xattrs).map(({ path, size, xattrs }) => [path, size, xattrs]),
    ).toEqual([
      ["d/large", 10_000, { "user.overlay.metacopy": "", "user.overlay.redirect": "/d/large" }],
    ]);
  });

  test("light: what container root may not read where it is, is copied", async () => {
    await using layer = makeLayerFixture();
    await layer.apply(
      rawTar(
        { name: "closed/", type: "5", mode: 0o700 },
        { name: "closed/inside", content: large },
        { name: "everybodys", content: large },
        { name: "secret", content: large, mode: 0o640 },
        { name: "theirs", content: large, mode: 0o600, uid: 5, gid: 5 },
      ),
    );
    const pointing = async (to: string) =>
      (await layer.list(to)).filter(({ xattrs }) => xattrs).map(({ path }) => path);
    const all = ["closed/inside", "everybodys", "secret", "theirs"];
    expect(await pointing((await layer.remap(keepId, light)).to)).toEqual(all);
    // the caller is nobody there: what is root's in the store is not root's to read
    const withoutUs = ids([0, 1, 1000]);
    const { to } = await layer.remap(withoutUs, light);
    expect(await pointing(to)).toEqual(["everybodys", "theirs"]);
  });

  test("an owner that the store could not express is found in its note", async () => {
    await using layer = makeLayerFixture();
    await layer.apply(
      rawTar({ name: "far", uid: 3_000_000_000, gid: 3_000_000_001, mode: 0o4755 }),
    );
    const owners = ids([0, 1, 10], [3_000_000_000, 100, 2]);
    const { done, to } = await layer.remap(owners, copied);
    expect(done.lostOwners).toBe(0);
    const [, far] = await layer.list(to);
    expect([far?.owner, far?.mode, far?.xattrs]).toEqual(["100:101", "4755", undefined]);
  });

  test("copies what is small, and refuses a layer that is not there", async () => {
    await using layer = makeLayerFixture();
    const { directory } = layer;
    await layer.apply(rawTar({ name: "f", content: "x" }), singleId);
    const { to } = await layer.remap(ids([5, 0, 1]), light);
    expect(statSync(`${to}/f`).size).toBe(1);
    await layer.remove(directory);
    const missing = layer.remap(keepId, copied);
    await expect(missing).rejects.toMatchObject({ code: "store.unwritable" });
  });
});
