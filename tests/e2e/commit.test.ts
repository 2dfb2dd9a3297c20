/** commit, export, import and diff: what a container is becomes an image or an archive, and comes back the same. */
import { describe, expect } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { subordinateIds } from "../helper/layer-fixture.ts";
import type { Box } from "../support/boxes.ts";
import { registryPrograms, testWith } from "../support/requirements.ts";
import { sharedWorld } from "../support/shared-world.ts";
import { until } from "../support/wait.ts";

const test = testWith(...registryPrograms, subordinateIds);
const shared = sharedWorld({ images: ["tiny", "layered", "configured"] });
const ok = (...words: string[]) => shared.world.ok(...words);
const tspod = (...words: string[]) => shared.world.tspod(words);

/** A container that has run this and ended. */
async function ended(script: string, image = "layered", ...flags: string[]): Promise<Box> {
  const id = await ok("run", "-d", ...flags, image, "sh", "-c", script);
  expect(await ok("wait", id)).toBe("0");
  return { id, [Symbol.asyncDispose]: async () => void (await tspod("rm", "-f", id)) };
}
const changes = `
  rm /data/kept; rm -r /hidden; mkdir /hidden; echo other > /hidden/other
  rm -r /bin/not-executable; mkdir /bin/not-executable; echo in > /bin/not-executable/file
  rm -r /home/app; echo file > /home/app
  echo new > /etc/new; chown 1000:50 /etc/new; chmod 4751 /etc/new; touch -d '2001-02-03 04:05:06' /etc/new
  ln /etc/new /etc/again; ln -s ../etc/new /etc/soft; mkfifo -m 600 /etc/fifo; chmod 700 /root
  mkdir -p /deep/er; chmod 2775 /deep; chown 7:8 /deep/er
`;

/** All of a root, as its own programs see it. Times of directories that are mounted into differ. */
const listing = `cd /; find . -xdev ! -path './proc*' ! -path './sys*' ! -path './dev*' ! -path './etc/host*' \
  ! -path './etc/resolv.conf' | sort | while read f; do stat -c '%n %F %a %u:%g %h' "$f" | sed 's/^\\(.*directory.*\\) [0-9]*$/\\1/'; \
  [ -L "$f" ] && readlink "$f"; [ -f "$f" ] && [ ! -L "$f" ] && { stat -c %Y "$f"; md5sum < "$f"; }; done; true`;

describe("commit", () => {
  test("makes an image that is what the container was", async () => {
    await using box = await ended(changes);
    const id = await ok("commit", "-m", "a comment", "-a", "somebody", box.id, "made");
    await ok("start", box.id);
    await ok("wait", box.id);
    const seen = await ok("run", "--rm", "made", "sh", "-c", listing);
    expect(seen).not.toContain("./data/kept");
    expect(seen).toContain("./hidden/other regular file 644 0:0 1");
    expect(seen).toContain("./etc/new regular file 4751 1000:50 2\n981173106");
    expect(seen).toContain("./home/app regular file");
    await using again = await ended("true", "made");
    await ok("commit", "--squash", again.id, "squashed");
    expect(await ok("run", "--rm", "squashed", "sh", "-c", listing)).toBe(seen);
    const [image] = JSON.parse(await ok("inspect", "made"));
    expect(image).toMatchObject({ Id: `sha256:${id}`, Author: "somebody" });
    expect(image.RootFS.Layers).toHaveLength(3);
    expect(JSON.parse(await ok("inspect", "squashed"))[0].RootFS.Layers).toHaveLength(1);
  });

  test("takes over what the container was created with, and what --change says", async () => {
    const id = await ok(
      "create",
      "-e",
      "CHANGED=run",
      "-w",
      "/tmp",
      "-l",
      "a=b",
      "configured",
      "x",
    );
    await ok("commit", "-c", 'CMD ["one", "two"]', "-c", "ENV C='a b' D=e", "-c", "EXPOSE 80 53/udp",
      "-c", "LABEL l=m", "-c", "WORKDIR sub", "-c", "USER nobody", "-c", "VOLUME /v", id, "changed:2"); // prettier-ignore
    const [{ Config: config }] = JSON.parse(await ok("inspect", "localhost/changed:2"));
    expect(config).toMatchObject({
      Cmd: ["one", "two"],
      Entrypoint: ["/bin/echo", "entry"],
      User: "nobody",
      WorkingDir: "/tmp/sub",
      Labels: { a: "b", l: "m", "org.example.from": "image" },
      ExposedPorts: { "80/tcp": {}, "53/udp": {} },
      Volumes: { "/v": {} },
    });
    expect(config.Env).toEqual(
      expect.arrayContaining(["CHANGED=run", "FROM_IMAGE=yes", "C=a b", "D=e"]),
    );
    await ok("rm", id);
  });

  test("--include-volumes: what was mounted is a volume of the image, and its content stays here", async () => {
    const id = await ok(
      "create",
      "-v",
      "kept:/kept",
      "-v",
      "/tmp:/host:ro",
      "--tmpfs",
      "/t",
      "tiny",
    );
    await ok("commit", "--include-volumes", "-c", "VOLUME /more", id, "mounted");
    await ok("commit", id, "unmounted");
    const volumesOf = async (image: string) =>
      JSON.parse(await ok("inspect", "--format", "{{json .Config.Volumes}}", image)) as unknown;
    expect(await volumesOf("mounted")).toEqual({ "/kept": {}, "/host": {}, "/more": {} });
    expect(await volumesOf("unmounted")).toEqual({});
    await ok("rm", "-v", id);
    await ok("volume", "rm", "kept");
  });

  test("pauses what runs, and lets it go on", async () => {
    const id = await ok("run", "-d", "tiny", "sh", "-c", "while :; do date +%N > /tick; done");
    const tick = () => ok("exec", id, "cat", "/tick");
    await until(
      "it ticks",
      async () => (await tspod("exec", id, "test", "-s", "/tick")).exitCode === 0,
    );
    await ok("commit", id, "live");
    const before = await tick();
    await until("it goes on", async () => (await tick()) !== before);
    expect(JSON.parse(await ok("inspect", id))[0].State.Status).toBe("running");
    expect(await ok("run", "--rm", "live", "ls", "/tick")).toBe("/tick");
    await ok("rm", "-f", id);
  });

  test("does not take a file for a whiteout because of its name", async () => {
    await using box = await ended("echo > /etc/.wh.passwd");
    for (const flags of [[], ["--squash"]]) {
      const { exitCode, stderr } = await tspod("commit", ...flags, box.id, "mistaken");
      expect(exitCode).toBe(125);
      expect(stderr).toContain(".wh.passwd");
    }
  });

  test("refuses with a sentence, and leaves nothing", async () => {
    const id = await ok("create", "tiny");
    const before = await ok("images", "-aq");
    for (const [words, wanted] of [
      [["-c", "RUN x", id], /RUN x/],
      [["-c", "EXPOSE 99999", id], /99999/],
      [["-f", "zip", id], /zip/],
      [[id, "UPPER case"], /UPPER case/],
      [["nobody"], /nobody/],
    ] as const) {
      const { exitCode, stderr } = await tspod("commit", ...words);
      expect(exitCode).toBe(125);
      expect(stderr).toMatch(wanted);
    }
    expect(await ok("images", "-aq")).toBe(before);
    expect(readdirSync(join(shared.world.root, "data/ingest"))).toEqual([]);
    await ok("rm", id);
  });
});

describe("diff", () => {
  test("tells what was added, changed and deleted", async () => {
    await using box = await ended(changes);
    const told = (await ok("diff", box.id)).split("\n");
    expect(told).toEqual(
      [
        ...[
          "C /bin",
          "C /bin/not-executable",
          "A /bin/not-executable/file",
          "C /data",
          "D /data/kept",
        ],
        ...["A /deep", "A /deep/er", "C /etc", "A /etc/again", "A /etc/fifo", "A /etc/new"],
        ...["A /etc/soft", "C /hidden", "A /hidden/other", "C /home", "C /home/app", "C /root"],
      ].sort((a, b) => (a.slice(2) < b.slice(2) ? -1 : 1)),
    );
    const lists = JSON.parse(await ok("diff", "--format", "json", box.id));
    expect(lists.deleted).toEqual(["/data/kept"]);
    await using quiet = await ended("true");
    expect(await ok("diff", quiet.id)).toBe("");
  });
});

test("--iidfile gets the id, and where it cannot be written no image is made", async () => {
  await using box = await ended("true");
  const file = join(shared.world.home, "iid");
  const id = await ok("commit", "--iidfile", file, box.id);
  expect(readFileSync(file, "utf8")).toBe(`sha256:${id}`);
  const images = await ok("images", "-aq");
  const { exitCode, stderr } = await tspod("commit", "--iidfile", `${file}/x`, box.id);
  expect({ exitCode, stderr }).toEqual({
    exitCode: 125,
    stderr: `Error: Cannot write the --iidfile "${file}/x" (ENOTDIR)\n  name another file\n`,
  });
  expect(await ok("images", "-aq")).toBe(images);
});

describe("export and import", () => {
  test("a round trip changes nothing, and the same files are the same bytes", async () => {
    await using box = await ended(changes);
    const file = join(shared.world.home, "box.tar");
    await ok("export", "-o", file, box.id);
    const piped = Bun.spawnSync(
      ["sh", "-c", `"$0" export ${box.id} | sha256sum`, process.env.TSPOD_BIN ?? ""],
      {
        env: shared.world.environment,
      },
    );
    const hash = new Bun.CryptoHasher("sha256").update(readFileSync(file)).digest("hex");
    if (process.env.TSPOD_BIN !== undefined) expect(piped.stdout.toString()).toStartWith(hash);
    const id = await ok("import", "-c", "CMD sh", "-m", "from a file", file, "imported");
    const [image] = JSON.parse(await ok("inspect", "imported"));
    expect(image.Id).toBe(id);
    expect(image.RootFS.Layers).toEqual([`sha256:${hash}`]);
    await ok("import", "--arch", "arm64", "--variant", "v9", file, "elsewhere");
    const [other] = JSON.parse(await ok("inspect", "elsewhere"));
    expect([other.Os, other.Architecture, other.Variant]).toEqual(["linux", "arm64", "v9"]);
    await ok("rmi", "elsewhere");
    await ok("commit", box.id, "same");
    expect(await ok("run", "--rm", "imported", "sh", "-c", listing)).toBe(
      await ok("run", "--rm", "same", "sh", "-c", listing),
    );
    for (const pack of ["gzip", "zstd -q"]) {
      const packed = await Bun.$`${{ raw: pack }} -c ${file}`.quiet();
      const { stdout } = await shared.world.tspod(["import", "-", "packed"], {
        stdin: packed.stdout,
      });
      expect(JSON.parse(await ok("inspect", stdout.trim()))[0].RootFS.Layers).toEqual([
        `sha256:${hash}`,
      ]);
    }
  });

  test("for another platform, as it is told", async () => {
    await using box = await ended("true");
    const file = join(shared.world.home, "other.tar");
    await ok("export", "-o", file, box.id);
    const format = "{{.Os}}/{{.Architecture}}/{{.Variant}}";
    for (const flags of [["--platform=linux/arm/v7"], ["--arch=armhf"]]) {
      const id = await ok("import", ...flags, file);
      expect(await ok("image", "inspect", "-f", format, id)).toBe("linux/arm/v7");
    }
    expect((await tspod("import", "--platform=a/b/c/d", file)).stderr).toContain('"a/b/c/d"');
  });

  test("what is no archive is refused, and leaves nothing", async () => {
    const bad = join(shared.world.home, "bad");
    writeFileSync(bad, "no archive at all".repeat(100));
    for (const [source, wanted] of [
      [bad, /not a tar/],
      [join(shared.world.home, "missing"), /does not exist/],
      [shared.world.home, /EISDIR/],
      ["http://127.0.0.1:1/x", /127\.0\.0\.1.*: the connection was refused\n/],
    ] as const) {
      const { exitCode, stderr } = await tspod("import", source);
      expect(exitCode).toBe(125);
      expect(stderr).toMatch(wanted);
    }
    expect(readdirSync(join(shared.world.root, "data/ingest"))).toEqual([]);
    expect(
      readdirSync(join(shared.world.root, "data/layers")).filter((name) => name.startsWith(".")),
    ).toEqual([]);
  });

  test("a failed export leaves the file that was there", async () => {
    const directory = join(shared.world.home, "out");
    mkdirSync(directory);
    writeFileSync(join(directory, "file"), "before");
    const { exitCode } = await tspod("export", "-o", join(directory, "file"), "nobody");
    expect(exitCode).toBe(125);
    expect(readFileSync(join(directory, "file"), "utf8")).toBe("before");
    expect((await tspod("export", "-o", "/missing/file", "nobody")).exitCode).toBe(125);
    expect(existsSync(join(directory, "missing"))).toBe(false);
  });
});
