/**
 * Archives made to do harm, applied for real by an ordinary user in a mapped user namespace. Each is refused with the
 * entry's name or applied with nothing changed outside: the fixture looks at its sentinel tree when it is disposed of.
 */
import { describe, expect } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { TspodError } from "../../src/errors.ts";
import { testWith } from "../support/requirements.ts";
import { makeLayerFixture, subordinateIds } from "./layer-fixture.ts";
import { blocksOf, gnuLong, join as joinBytes, type RawEntry, rawTar } from "./raw-tar.ts";

const test = testWith(subordinateIds);

/** A journal shared with other work can hold thousands of directories up. */
const deepTimeoutMs = 60_000;

interface Refused {
  what: string;
  entries: RawEntry[] | Uint8Array;
  /** Part of the sentence. */
  because: string;
  entry: string;
}

const deepPath = Array.from({ length: 10_000 }, () => "d").join("/");
const notUtf8 = Uint8Array.of(0x62, 0xff, 0x0a, 0x1b, 0x22, 0x5c);
const sparseMap = { "GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "s" };

const refused: Refused[] = [
  {
    what: "a name that climbs out",
    entries: [{ name: "../sentinel/new" }],
    because: "leads out of the layer",
    entry: "../sentinel/new",
  },
  {
    what: "a name that climbs out after going in",
    entries: [
      { name: "a/", type: "5" },
      { name: "a/../../sentinel/etc/passwd", content: "x" },
    ],
    because: "leads out of the layer",
    entry: "a/../../sentinel/etc/passwd",
  },
  {
    what: "a pax path that climbs out",
    entries: [{ name: "harmless", pax: { path: "../sentinel/new" } }],
    because: "leads out of the layer",
    entry: "../sentinel/new",
  },
  {
    what: "a GNU long name that climbs out",
    entries: [gnuLong("L", `${"x/../".repeat(40)}../new`), { name: "harmless" }],
    because: "leads out of the layer",
    entry: "x/../x/../",
  },
  {
    what: "a hard link to a name that climbs out",
    entries: [{ name: "grab", type: "1", link: "../sentinel/etc/passwd" }],
    because: "leads out of the layer",
    entry: "grab",
  },
  {
    what: "a hard link to an absolute name that is not in the layer",
    entries: [{ name: "grab", type: "1", link: "/etc/passwd" }],
    because: "hard link target is not in this layer",
    entry: "grab",
  },
  {
    what: "a hard link through a symbolic link that leads out",
    entries: [
      { name: "out", type: "2", link: "../sentinel" },
      { name: "grab", type: "1", link: "out/etc/passwd" },
    ],
    because: "hard link target is not in this layer",
    entry: "grab",
  },
  {
    what: "a hard link to what it replaces",
    entries: [{ name: "a/b" }, { name: "a", type: "1", link: "a/b" }],
    because: "hard link target is not in this layer",
    entry: "a",
  },
  {
    what: "a hard link to a directory",
    entries: [
      { name: "d/", type: "5" },
      { name: "grab", type: "1", link: "d" },
    ],
    because: "not a file inside the layer",
    entry: "grab",
  },
  {
    what: "a hard link to a whiteout",
    entries: [{ name: ".wh.gone" }, { name: "grab", type: "1", link: "gone" }],
    because: "hard link target is not in this layer",
    entry: "grab",
  },
  {
    what: "a whiteout of the parent",
    entries: [{ name: "d/.wh..." }],
    because: "no valid whiteout",
    entry: "d/.wh...",
  },
  {
    what: "a whiteout of the directory itself",
    entries: [{ name: "d/.wh.." }],
    because: "no valid whiteout",
    entry: "d/.wh..",
  },
  {
    what: "a whiteout of nothing",
    entries: [{ name: ".wh." }],
    because: "no valid whiteout",
    entry: ".wh.",
  },
  {
    what: "an entry below a whiteout's name",
    entries: [{ name: ".wh.d/file" }],
    because: "no valid whiteout",
    entry: ".wh.d/file",
  },
  {
    what: "a root that is a symbolic link",
    entries: [{ name: "./", type: "2", link: "/etc" }],
    because: "root can only be a directory",
    entry: "./",
  },
  {
    what: "an entry below a file",
    entries: [{ name: "file" }, { name: "file/below" }],
    because: "not a directory",
    entry: "file/below",
  },
  {
    what: "an entry below a loop of links",
    entries: [
      { name: "a", type: "2", link: "b" },
      { name: "b", type: "2", link: "a" },
      { name: "a/file" },
    ],
    because: "too many symbolic links",
    entry: "a/file",
  },
  {
    what: "an entry below a link to itself with more and more behind it",
    entries: [{ name: "a", type: "2", link: "a/a" }, { name: "a/file" }],
    because: "too many symbolic links",
    entry: "a/file",
  },
  {
    what: "10,000 levels",
    entries: [{ name: "x", pax: { path: deepPath } }],
    because: "longer than 4095 bytes",
    entry: "d/d/d/",
  },
  {
    what: "a component of 256 bytes",
    entries: [gnuLong("L", "n".repeat(256)), { name: "cut" }],
    because: "longer than 255 bytes",
    entry: "nnn",
  },
  {
    what: "a link target of 4096 bytes",
    entries: [gnuLong("K", "n".repeat(4096)), { name: "soft", type: "2" }],
    because: "longer than 4095 bytes",
    entry: "soft",
  },
  {
    what: "a size of eight exbibytes",
    entries: joinBytes(blocksOf({ name: "huge", pax: { size: "9223372036854775799" } })),
    because: "ends in the middle of an entry",
    entry: "huge",
  },
  {
    what: "a size of more than 63 bits",
    entries: [{ name: "huge", pax: { size: "99999999999999999999" } }],
    because: "pax header is malformed",
    entry: "huge",
  },
  {
    what: "a negative size",
    entries: [{ name: "huge", size: -512 }],
    because: "negative size",
    entry: "",
  },
  {
    what: "a pax header of a gibibyte",
    entries: [{ name: "PaxHeader", type: "x", size: 2 ** 30 }],
    because: "exceeds 1 MiB",
    entry: "PaxHeader",
  },
  {
    what: "a pax record that claims to be longer than its header",
    entries: [{ name: "PaxHeader", type: "x", content: "999 path=x\n" }, { name: "x" }],
    because: "pax header is malformed",
    entry: "PaxHeader",
  },
  {
    what: "a NUL in a pax path",
    entries: [{ name: "x", pax: { path: "etc/passwd\0.txt" } }],
    because: "NUL",
    entry: "etc/passwd\\x00.txt",
  },
  {
    what: "a sparse file, pax",
    entries: [{ name: "s", pax: sparseMap, content: "1\n0\n1\n" }],
    because: "sparse",
    entry: "s",
  },
  {
    what: "a sparse file, old GNU",
    entries: [{ name: "s", type: "S" }],
    because: "not supported",
    entry: "s",
  },
  {
    what: "a type nobody defined",
    entries: [{ name: "odd", type: "Z" }],
    because: "not supported",
    entry: "odd",
  },
  {
    what: "a name that is neither UTF-8 nor harmless on a terminal",
    entries: [{ name: joinBytes([new TextEncoder().encode("../"), notUtf8]) }],
    because: "leads out of the layer",
    entry: '../b\\xff\\x0a\\x1b"\\x5c',
  },
  {
    what: "a damaged header",
    entries: joinBytes([...blocksOf({ name: "good" }), new Uint8Array(512).fill(7)]),
    because: "checksum",
    entry: "good",
  },
  {
    what: "something that is no tar",
    entries: new TextEncoder().encode("<html>".repeat(200)),
    because: "checksum",
    entry: "",
  },
  {
    what: "an archive cut off inside a header",
    entries: rawTar({ name: "good" }).subarray(0, 300),
    because: "ends in the middle",
    entry: "",
  },
];

describe("applyLayer() refuses", () => {
  test.each(refused)("$what", async ({ entries, because, entry }) => {
    await using layer = makeLayerFixture();
    const tar = entries instanceof Uint8Array ? entries : rawTar(...entries);
    const error = await layer.apply(tar).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(TspodError);
    const { code, message } = error as TspodError; // the line before
    expect(code).toBe("layer.invalid");
    expect(message).toContain(because);
    expect(message).toContain(entry === "" ? "Cannot unpack the layer" : `at "${entry}`);
  });
});

interface Applied {
  what: string;
  entries: RawEntry[];
  /** "path type" of everything but the root. */
  makes: string[];
}

const applied: Applied[] = [
  {
    what: "absolute names, inside the root",
    entries: [{ name: "/etc/passwd", content: "x" }],
    makes: ["etc directory", "etc/passwd file"],
  },
  {
    what: "a file through a link that leads out, inside the root",
    entries: [
      { name: "out", type: "2", link: "../../sentinel" },
      { name: "out/etc/passwd", content: "x" },
    ],
    makes: [
      "out symlink",
      "sentinel directory",
      "sentinel/etc directory",
      "sentinel/etc/passwd file",
    ],
  },
  {
    what: "a file through an absolute link, inside the root",
    entries: [{ name: "abs", type: "2", link: "/tmp" }, { name: "abs/file" }],
    makes: ["abs symlink", "tmp directory", "tmp/file file"],
  },
  {
    what: "a file through two links that lead out together",
    entries: [
      { name: "a/", type: "5" },
      { name: "a/up", type: "2", link: ".." },
      { name: "b", type: "2", link: "a/up/.." },
      { name: "b/file" },
    ],
    makes: ["a directory", "a/up symlink", "b symlink", "file file"],
  },
  {
    what: "a file of a link's name: the link is replaced, not written through",
    entries: [
      { name: "passwd", type: "2", link: "/etc/passwd" },
      { name: "passwd", content: "mine" },
    ],
    makes: ["passwd file"],
  },
  {
    what: "a directory of a link's name: the link is replaced, not entered",
    entries: [
      { name: "d", type: "2", link: "../sentinel" },
      { name: "d/", type: "5", mode: 0o777 },
      { name: "d/file" },
    ],
    makes: ["d directory", "d/file file"],
  },
  {
    what: "a directory swapped for a link between its files",
    entries: [
      { name: "d/", type: "5" },
      { name: "d/one" },
      { name: "d", type: "2", link: "../sentinel/etc" },
      { name: "d/passwd", content: "x" },
    ],
    makes: [
      ...["d symlink", "sentinel directory", "sentinel/etc directory"],
      "sentinel/etc/passwd file",
    ],
  },
  {
    what: "a hard link to a link: the link itself, not its target",
    entries: [
      { name: "soft", type: "2", link: "../sentinel/etc/passwd" },
      { name: "hard", type: "1", link: "soft" },
      { name: "hard", content: "replaces the name" },
    ],
    makes: ["hard file", "soft symlink"],
  },
  {
    what: "an attempt on the target of a hard link: its name is replaced",
    entries: [
      { name: "one", content: "one" },
      { name: "two", type: "1", link: "one" },
      { name: "two", content: "two" },
    ],
    makes: ["one file", "two file"],
  },
  {
    what: "devices: left out",
    entries: [
      { name: "sda", type: "4", device: [8, 0], mode: 0o666 },
      { name: "mem", type: "3", device: [1, 1], mode: 0o666 },
      { name: "forged-whiteout", type: "3", device: [0, 0] },
      { name: "fifo", type: "6" },
    ],
    makes: ["fifo fifo"],
  },
  {
    what: "overlayfs' and our own attributes: left out",
    entries: [
      {
        name: "d/",
        type: "5",
        pax: {
          "SCHILY.xattr.user.overlay.opaque": "y",
          "SCHILY.xattr.user.overlay.redirect": "/etc",
          "SCHILY.xattr.trusted.overlay.opaque": "y",
          "SCHILY.xattr.user.tspod.owner": "0:0",
          "SCHILY.xattr.security.selinux": "system_u:object_r:etc_t:s0",
        },
      },
    ],
    makes: ["d directory"],
  },
  {
    what: "names that differ in case or Unicode form only",
    entries: [{ name: "A" }, { name: "a" }, { name: "\u00e9" }, { name: "e\u0301" }],
    makes: ["A file", "a file", "e\u0301 file", "\u00e9 file"],
  },
  {
    what: "global pax headers: not believed",
    entries: [
      { name: "global", type: "g", content: "24 path=../sentinel/new\n" },
      { name: "file", content: "x" },
    ],
    makes: ["file file"],
  },
  {
    what: "sizes on what has no content",
    entries: [
      { name: "soft", type: "2", link: "x", size: 1024 },
      { name: "fifo", type: "6", size: 1024 },
      { name: "file" },
    ],
    makes: ["fifo fifo", "file file", "soft symlink"],
  },
];

describe("applyLayer() applies inside its root", () => {
  test.each(applied)("$what", async ({ entries, makes }) => {
    await using layer = makeLayerFixture();
    await layer.apply(rawTar(...entries));
    const found = (await layer.list()).filter(({ path }) => path !== ".");
    expect(found.map(({ path, type }) => `${path} ${type}`)).toEqual(makes);
    expect(found.flatMap(({ xattrs }) => Object.keys(xattrs ?? {}))).toEqual([]);
  });

  test("names that are no text: kept byte for byte", async () => {
    await using layer = makeLayerFixture();
    await layer.apply(rawTar({ name: notUtf8 }));
    const path = Buffer.concat([Buffer.from(`${layer.directory}/`), notUtf8]);
    expect(existsSync(path)).toBe(true);
  });

  test("a thousand entries of one name", async () => {
    await using layer = makeLayerFixture();
    const kinds: RawEntry[] = [
      { name: "x", content: "file" },
      { name: "x/", type: "5" },
      { name: "x/y/z" },
      { name: "x", type: "2", link: "." },
      { name: "x", type: "6" },
    ];
    const entries = Array.from({ length: 1000 }, (_, index) => kinds[index % kinds.length]);
    const done = await layer.apply(rawTar(...entries.filter((entry) => entry !== undefined)));
    expect(done.entries).toBe(1000);
    expect(await layer.paths()).toEqual([".", "x"]);
  });

  test(
    "2,047 levels, the deepest a path can name",
    async () => {
      await using layer = makeLayerFixture();
      const path = Array.from({ length: 2047 }, () => "d").join("/");
      const done = await layer.apply(rawTar({ name: "x", pax: { path: `${path}/f` } }));
      expect(done.inventedDirectories).toBe(2047);
      await layer.remove(layer.directory);
      expect(existsSync(join(layer.base, "tree"))).toBe(false);
    },
    deepTimeoutMs,
  );
});
