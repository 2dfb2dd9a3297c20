/** save and load: what others read, what we read of others, and that the same images are the same bytes. */
import { describe, expect } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { subordinateIds } from "../helper/layer-fixture.ts";
import { sharedRegistry } from "../support/debian-registry.ts";
import { program, registryPrograms, testWith } from "../support/requirements.ts";
import { sharedWorld } from "../support/shared-world.ts";
import { makeWorld, tspodFile } from "../support/world.ts";

const test = testWith(...registryPrograms, subordinateIds);
const withUmoci = testWith(...registryPrograms, program("umoci"));
const withCompressors = testWith(
  ...registryPrograms,
  program("xz", "xz-utils"),
  program("bzip2"),
  program("zstd"),
);
const shared = sharedWorld({ images: ["tiny", "layered", "configured"] });
const ok = (...words: string[]) => shared.world.ok(...words);
const at = (name: string): string => join(shared.world.home, name);

const sha256 = (bytes: Uint8Array): string =>
  new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
const fileSum = (path: string): string => sha256(readFileSync(path));

/** All of what `layered` shows for being itself. */
const look = ["sh", "-c", "ls /data; cat /data/kept; ls /hidden; stat -c %a /tmp"];

const idOf = (name: string) => ok("inspect", "--format", "{{.Id}}", name);

describe("save", () => {
  test.each(["docker-archive", "oci-archive"])("%s: twice is the same bytes", async (format) => {
    await ok("save", "--format", format, "-o", at("one.tar"), "layered", "configured");
    const { stdout, exitCode } = await shared.world.tspod([
      ...["save", "--format", format, "layered", "configured"],
    ]);
    expect(exitCode).toBe(0);
    // as text, which is what is at hand of standard output
    expect(stdout).toBe(readFileSync(at("one.tar"), "utf8"));
    await ok("save", "-m", "-q", "--format", format, "-o", at("two.tar"), "layered", "configured");
    expect(fileSum(at("two.tar"))).toBe(fileSum(at("one.tar")));
    const listed = await Bun.$`tar -tvf ${at("one.tar")}`.text();
    expect(listed).not.toMatch(/ (?!1970-01-01)\d{4}-\d\d-\d\d /);
    expect(await Bun.$`tar -tf ${at("one.tar")} | sort | uniq -d`.text()).toBe("");
  });

  test("--compress: plain layers are compressed in what is written, and stay what they are here", async () => {
    const { address } = await sharedRegistry();
    const name = `${address}/plain-${process.pid}`;
    await ok("push", "-q", "--compression-format", "none", "layered", name);
    await using own = await makeWorld();
    await own.ok("pull", "-q", "--tls-verify=false", name);
    for (const [format, transport] of [
      ["docker-dir", "dir:"],
      ["oci-dir", "oci:"],
    ] as const) {
      const path = join(own.home, format);
      await own.ok("save", "--compress", "--format", format, "-o", path, name);
      const manifest = await Bun.$`skopeo inspect --raw ${transport + path}`.json();
      for (const { mediaType } of manifest.layers) expect(mediaType).toEndWith("gzip");
      await Bun.$`skopeo copy --quiet ${transport + path} oci:${join(own.home, `again-${format}`)}:x`.quiet();
    }
    const [image] = JSON.parse(await own.ok("image", "inspect", name));
    await own.ok("rmi", name);
    await own.ok("load", "-q", "-i", join(own.home, "docker-dir"));
    const [loaded] = JSON.parse(await own.ok("image", "inspect", image.Id));
    expect(loaded.RootFS).toEqual(image.RootFS);
    expect(await own.ok("run", "--rm", image.Id, "cat", "/data/kept")).toBe("two");
  });

  test("skopeo reads all four formats, with the config and the layers that they are", async () => {
    const sources = {
      "docker-archive": "docker-archive:",
      "oci-archive": "oci-archive:",
      "oci-dir": "oci:",
      "docker-dir": "dir:",
    };
    const [image] = JSON.parse(await ok("inspect", "layered"));
    for (const [format, transport] of Object.entries(sources)) {
      const path = at(`for-skopeo-${format}`);
      await ok("save", "--format", format, "-o", path, "layered");
      const raw = await Bun.$`skopeo inspect --config ${transport + path}`.json();
      expect(raw.rootfs.diff_ids).toEqual(image.RootFS.Layers);
      const copied =
        await Bun.$`skopeo copy --quiet ${transport + path} oci:${path}.copy:x`.quiet();
      expect(copied.exitCode).toBe(0);
    }
  });

  withUmoci("umoci unpacks what we save", async () => {
    const layout = at("for-umoci");
    await ok("save", "--format", "oci-dir", "-o", layout, "layered");
    const name = "docker.io/library/layered:latest";
    await Bun.$`umoci unpack --rootless --image ${layout}:${name} ${at("bundle")}`.quiet();
    expect(readdirSync(at("bundle/rootfs/data"))).toEqual(["kept"]);
    expect(readFileSync(at("bundle/rootfs/data/kept"), "utf8")).toBe("two");
  });

  test("names: those that were asked for, and none for an id", async () => {
    const id = await idOf("tiny");
    await ok("tag", "tiny", "saved:a", "saved:b");
    const manifest = async (...words: string[]) =>
      JSON.parse(
        await Bun.$`tar -xOf - manifest.json < ${new Response((await save(...words)).slice())}`.text(),
      );
    expect((await manifest("saved:b", "saved:a"))[0].RepoTags).toEqual([
      ...["localhost/saved:b", "localhost/saved:a"],
    ]);
    expect((await manifest(id))[0].RepoTags).toBeNull();
    expect(await manifest("tiny", "layered")).toHaveLength(2);
    await ok("rmi", "saved:a", "saved:b");
  });

  /** On standard output, as bytes. */
  async function save(...words: string[]): Promise<Uint8Array> {
    await ok("save", "-o", at("names.tar"), ...words);
    return readFileSync(at("names.tar"));
  }

  test("what cannot be saved leaves nothing behind", async () => {
    mkdirSync(at("full"));
    writeFileSync(at("full/file"), "x");
    for (const [words, sentence] of [
      [["nothing"], /nothing/],
      [["--format", "zip", "tiny"], /zip/],
      [["--format", "oci-dir", "tiny"], /directory/],
      [["--format", "oci-dir", "-o", at("full"), "tiny"], /there is something already/],
      [["--format", "docker-dir", "-o", at("d"), "tiny", "layered"], /one image/],
      [["-o", at("no/such/place"), "tiny"], /no\/such\/place/],
      [["--compress", "tiny"], /--compress is about directories/],
    ] as const) {
      const { exitCode, stderr } = await shared.world.tspod(["save", ...words]);
      expect([exitCode, stderr]).toEqual([125, expect.stringMatching(sentence)]);
    }
    expect(readdirSync(at(".")).filter((name) => name.includes("tmp"))).toEqual([]);
    expect(existsSync(at("d"))).toBe(false);
  });

  test("a full disk is told as that of the archive, not of the store", async () => {
    const program = `"$TSPOD" save tiny > /dev/full`;
    const child = Bun.spawn(["sh", "-c", program], {
      env: { ...shared.world.environment, TSPOD: tspodFile },
      stderr: "pipe",
    });
    const stderr = await child.stderr.text();
    expect([await child.exited, stderr]).toEqual([125, expect.stringMatching(/archive: no space/)]);
  });

  test("a damaged blob is an error, and no archive", async () => {
    await using world = await makeWorld({ images: ["tiny"] });
    const blobs = join(world.root, "data/blobs/sha256");
    const largest = readdirSync(blobs)
      .map((name) => ({ name, size: Bun.file(join(blobs, name)).size }))
      .sort((a, b) => b.size - a.size)[0]?.name;
    const path = join(blobs, largest ?? "");
    const bytes = readFileSync(path);
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
    writeFileSync(path, bytes);
    const out = join(world.home, "out.tar");
    for (const format of ["docker-archive", "oci-archive"]) {
      const { exitCode, stderr } = await world.tspod([
        "save",
        "--format",
        format,
        "-o",
        out,
        "tiny",
      ]);
      expect([exitCode, stderr]).toEqual([125, expect.stringMatching(/damaged/)]);
      expect(existsSync(out)).toBe(false);
    }
  });
});

describe("load", () => {
  test.each(["docker-archive", "oci-archive", "oci-dir", "docker-dir"])(
    "%s: everything comes back",
    async (format) => {
      await using world = await makeWorld();
      const path = join(world.home, "saved");
      await ok("save", "--format", format, "-o", path, "layered");
      const id = await idOf("layered");
      const loaded = await world.ok("load", "-q", "-i", path);
      const isNameless = format === "docker-dir";
      expect(loaded).toBe(
        isNameless ? `Loaded image ID: ${id}` : "Loaded image: docker.io/library/layered:latest",
      );
      const name = isNameless ? id : "layered";
      expect(await world.ok("run", "--rm", name, ...look)).toBe(
        await ok("run", "--rm", "layered", ...look),
      );
      expect(
        await world.ok("image", "inspect", "--format", "{{.Id}} {{.RootFS.Layers}}", name),
      ).toBe(await ok("image", "inspect", "--format", "{{.Id}} {{.RootFS.Layers}}", "layered"));
      // and once more: nothing changes, nothing is left
      expect(await world.ok("load", "-q", "-i", path)).toBe(loaded);
      expect(readdirSync(join(world.root, "data/ingest"))).toEqual([]);
      expect(readdirSync(join(world.root, "data/layers"))).toHaveLength(2);
    },
  );

  test("several images from standard input, events, a layer that two of them have", async () => {
    await using world = await makeWorld();
    await ok("tag", "tiny", "second/name:2");
    await ok("save", "-o", at("many.tar"), "tiny", "second/name:2", "configured");
    await ok("rmi", "second/name:2");
    const { exitCode, stdout } = await world.tspod(["load", "-q"], {
      stdin: readFileSync(at("many.tar")),
    });
    expect([exitCode, stdout.trim().split("\n")]).toEqual([
      0,
      [
        "Loaded image: docker.io/library/tiny:latest",
        "Loaded image: localhost/second/name:2",
        "Loaded image: docker.io/library/configured:latest",
      ],
    ]);
    expect(readdirSync(join(world.root, "data/layers"))).toHaveLength(2);
    const events = await world.ok("events", "--since", "1h", "--until", "0s", "--format", "{{.Status}} {{.Name}}"); // prettier-ignore
    expect(events).toContain("load docker.io/library/tiny:latest");
    expect(await world.ok("run", "--rm", "configured")).toBe("entry from-image");
  });

  withCompressors("gzip, zstd, xz and bzip2 around it", async () => {
    await using world = await makeWorld();
    await ok("save", "-o", at("plain.tar"), "tiny");
    for (const command of ["gzip", "zstd -q", "xz -0", "bzip2"]) {
      const packed = await Bun.$`sh -c ${`${command} -c < ${at("plain.tar")}`}`
        .quiet()
        .arrayBuffer();
      const { stdout } = await world.tspod(["load", "-q"], { stdin: new Uint8Array(packed) });
      expect(stdout).toBe("Loaded image: docker.io/library/tiny:latest\n");
      const cut = await world.tspod(["load", "-q"], {
        stdin: new Uint8Array(packed.slice(0, -200)),
      });
      expect([cut.exitCode, cut.stderr]).toEqual([125, expect.stringMatching(/damaged|middle/)]);
    }
    const noPrograms = { environment: { PATH: world.home }, stdin: xzMagic };
    const { stderr } = await world.tspod(["load"], noPrograms);
    expect(stderr).toContain("apt-get install xz-utils");
  });

  test("what skopeo has written, layers of gzip, zstd and none", async () => {
    await using world = await makeWorld();
    const from = `oci:${join(shared.world.root, "data")}:docker.io/library/layered:latest`;
    const name = "example.org/team/app:1";
    const kinds = {
      "docker-archive": `docker-archive:${at("skopeo-docker")}:${name}`,
      "oci-archive": `oci-archive:${at("skopeo-oci")}:${name}`,
      oci: `oci:${at("skopeo-layout")}:${name}`,
      zstd: `oci:${at("skopeo-zstd")}:${name}`,
    };
    for (const [kind, to] of Object.entries(kinds)) {
      const flags = kind === "zstd" ? ["--dest-compress-format", "zstd", "--dest-compress"] : [];
      await Bun.$`skopeo copy --quiet ${flags} ${from} ${to}`.quiet();
      const path = to.split(":")[1] ?? "";
      expect(await world.ok("load", "-q", "-i", path)).toBe(`Loaded image: ${name}`);
      expect(await world.ok("run", "--rm", name, ...look)).toBe(
        await ok("run", "--rm", "layered", ...look),
      );
      await world.ok("rmi", name);
      expect(readdirSync(join(world.root, "data/blobs/sha256"))).toEqual([]);
    }
  });
});

const xzMagic = Buffer.from("fd377a585a00000000", "hex");
