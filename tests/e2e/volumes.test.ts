/** Volumes as a user knows them: named and anonymous, filled from the image, in use, removed, pruned. */
import { describe, expect } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { registryPrograms, testWith } from "../support/requirements.ts";
import { sharedWorld } from "../support/shared-world.ts";
import { until } from "../support/wait.ts";
import { makeWorld, type World } from "../support/world.ts";

const test = testWith(...registryPrograms);
const shared = sharedWorld({ images: ["tiny", "volumes"] });

const ok = (...words: string[]): Promise<string> => shared.world.ok(...words);
const names = async (...flags: string[]): Promise<string[]> =>
  (await ok("volume", "ls", "-q", ...flags)).split("\n").filter(Boolean);
const directories = (): string[] => readdirSync(join(shared.world.root, "data/volumes"));

/** podman-volume-rm(1): 1 is not there, 2 is in use. */
function statusOf([, verb]: string[], stderr: string): number {
  if (verb !== "rm") return 125;
  return stderr.includes("Cannot find") ? 1 : stderr.includes("in use") ? 2 : 125;
}

async function refused(...words: string[]): Promise<string> {
  const { exitCode, stderr } = await shared.world.tspod(words);
  expect(exitCode).toBe(statusOf(words, stderr));
  expect(stderr).not.toMatch(/\n\s+at /);
  return stderr;
}

describe("tspod volume", () => {
  test("create, inspect, ls, rm", async () => {
    expect(await ok("volume", "create", "-l", "a=b", "first")).toBe("first");
    const [found] = JSON.parse(await ok("volume", "inspect", "first")) as [Record<string, unknown>];
    expect(found).toMatchObject({
      Name: "first",
      Driver: "local",
      Labels: { a: "b" },
      Scope: "local",
    });
    expect(existsSync(String(found.Mountpoint))).toBe(true);
    expect(
      await ok(
        "volume",
        "ls",
        "-f",
        "label=a=b",
        "--format",
        '{{.Name}} {{.Labels}} {{.Label "a"}}{{.Label "z"}}',
      ),
    ).toBe("first a=b b");
    expect(await ok("volume", "rm", "fir")).toBe("first");
    expect(await names()).not.toContain("first");
    expect(existsSync(String(found.Mountpoint))).toBe(false);
  });

  test("a name twice, one that is none, one that is not there", async () => {
    await ok("volume", "create", "twice");
    expect(await refused("volume", "create", "twice")).toContain("already");
    expect(await ok("volume", "create", "--ignore", "twice")).toBe("twice");
    expect(await refused("volume", "create", "a/b")).toContain("Invalid volume name");
    expect(await refused("volume", "rm", "none")).toContain('Cannot find volume "none"');
    expect(await refused("volume", "inspect", "none")).toContain('Cannot find volume "none"');
    await ok("volume", "create", "twins");
    expect(await refused("volume", "rm", "twi")).toContain("more than one");
    expect(await refused("volume", "rm", "-t", "1", "twice")).toContain("--time is for --force");
    expect((await shared.world.tspod(["volume", "exists", "none"])).exitCode).toBe(1);
    expect((await shared.world.tspod(["volume", "exists", "twice"])).exitCode).toBe(0);
    await ok("volume", "rm", "twice", "twins");
    expect(await ok("volume", "rm", "-f", "twice")).toBe("");
  });

  test.each([
    [["-d", "nfs", "x"], "no volume driver"],
    [["-o", "type=nfs", "-o", "device=:/x", "x"], "real root"],
    [["-o", "type=none", "-o", "o=bind", "x"], "device="],
    [["-o", "size=5", "x"], 'no option "size"'],
    [["-o", "o=size=5m", "x"], "size=5m"],
    [["-o", "o=uid=4000000000", "x"], "4000000000"],
    [["-o", "nothing", "x"], "Invalid option"],
    [["-l", "=b", "x"], "no name"],
  ])("create %p is refused", async (words, sentence) => {
    expect(await refused("volume", "create", ...words)).toContain(sentence);
    expect(await names()).not.toContain("x");
  });

  test("options: a directory elsewhere, memory, an owner", async () => {
    const elsewhere = join(shared.world.home, "elsewhere");
    mkdirSync(elsewhere);
    writeFileSync(join(elsewhere, "file"), "here\n");
    await ok(
      "volume",
      "create",
      "-o",
      "type=none",
      "-o",
      "o=bind,ro",
      "-o",
      `device=${elsewhere}`,
      "bound",
    );
    expect(
      await ok(
        "run",
        "--rm",
        "-v",
        "bound:/b",
        "tiny",
        "sh",
        "-c",
        "cat /b/file; touch /b/x || true",
      ),
    ).toBe("here");
    await ok("volume", "create", "-o", "type=tmpfs", "-o", "o=size=1m,mode=700", "memory");
    expect(
      await ok(
        "run",
        "--rm",
        "-v",
        "memory:/m",
        "tiny",
        "sh",
        "-c",
        "stat -f -c %T /m; stat -c %a /m",
      ),
    ).toBe("tmpfs\n700");
    for (const flags of [
      ["-o", "o=uid=1000,gid=50"],
      ["--uid", "1000", "--gid", "50"],
    ]) {
      await ok("volume", "create", ...flags, "owned");
      expect(await ok("run", "--rm", "-v", "owned:/o", "tiny", "stat", "-c", "%u:%g", "/o")).toBe(
        "1000:50",
      );
      expect(await ok("volume", "inspect", "-f", "{{.UID}}:{{.GID}}", "owned")).toBe("1000:50");
      await ok("volume", "rm", "owned");
    }
    await ok("volume", "rm", "bound", "memory");
    expect(existsSync(join(elsewhere, "file"))).toBe(true);
  });
});

describe("what the image has", () => {
  const look =
    "stat -c '%n %a %u:%g' /v /v/mine /v/deep; cat /v/deep/file; readlink /v/link; ls /v";
  const seeded =
    "/v 2770 1000:50\n/v/mine 640 1000:50\n/v/deep 755 1000:0\ntwo../../../../etc/passwd\ndeep\nlink\nmine";

  test.each(["/data", "/var/link"])("at %s fills a new volume", async (path) => {
    await ok("run", "--rm", "--image-volume=ignore", "-v", `new:${path}`, "volumes", "true");
    expect(await ok("run", "--rm", "-v", "new:/v", "tiny", "sh", "-c", look)).toBe(seeded);
    await ok("volume", "rm", "new");
  });

  test("not with nocopy, nor where something is in it, nor through a link out of the image", async () => {
    const inside = (mount: string): Promise<string> =>
      ok(
        "run",
        "--rm",
        "--image-volume=ignore",
        "-v",
        mount,
        "volumes",
        "ls",
        mount.split(":")[1] ?? "",
      );
    expect(await inside("bare:/data:nocopy")).toBe("");
    await ok("run", "--rm", "-v", "full:/x", "tiny", "touch", "/x/own");
    expect(await inside("full:/data")).toBe("own");
    expect(await inside("outside:/out")).not.toContain("hostname");
    expect(await inside("bare:/data")).toBe("deep\nlink\nmine");
    await ok("volume", "rm", "bare", "full", "outside");
  });

  test("is in anonymous volumes, which go with --rm and rm -v, and stay otherwise", async () => {
    const before = await names();
    expect(await ok("run", "--rm", "volumes", "cat", "/data/deep/file")).toBe("two");
    expect(await names()).toEqual(before);
    await ok("create", "--name", "keeps", "volumes");
    const made = (await names()).filter((name) => !before.includes(name));
    expect(made).toHaveLength(3);
    expect(made.every((name) => /^[0-9a-f]{64}$/.test(name))).toBe(true);
    await ok("rm", "keeps");
    expect((await names("-f", "dangling=true")).filter((name) => made.includes(name))).toEqual(
      made,
    );
    expect(await ok("volume", "prune", "-f")).toContain(made[0] ?? "?");
    await ok("create", "--name", "gives", "volumes");
    await ok("rm", "-v", "gives");
    expect(await names()).toEqual(before);
    expect(directories().toSorted()).toEqual(before);
  });

  test("and go with --rm when nobody watches and no command follows", async () => {
    const before = directories().toSorted();
    const words = ["--rm", "volumes", "sh", "-c", "read line"];
    const id = await ok("run", "-di", ...words);
    const made = directories().filter((name) => !before.includes(name));
    expect(made).toHaveLength(3);
    // one that somebody else has stays
    await ok("run", "-d", "--name", "heir", "--volumes-from", id, "tiny", "sleep", "1000");
    await ok("kill", id);
    const gone = (): string[] => made.filter((name) => !directories().includes(name));
    await until("its row is gone", () => !existsSync(`${shared.world.root}/data/containers/${id}`));
    expect(await ok("ps", "-aq", "--no-trunc")).not.toContain(id);
    expect(gone()).toEqual([]);
    await ok("rm", "-f", "-v", "heir");
    const alone = await ok("run", "-di", ...words);
    const its = directories().filter((name) => !before.includes(name));
    expect(its).toHaveLength(3);
    const state = `${shared.world.root}/run/${alone.slice(0, 24)}/state.json`;
    process.kill((JSON.parse(readFileSync(state, "utf8")) as { pid: number }).pid, "SIGKILL");
    await until("its volumes are gone", () => its.every((name) => !directories().includes(name)));
  });

  test("--image-volume tmpfs and ignore", async () => {
    const script = "stat -f -c %T /data; ls /data | wc -l";
    expect(await ok("run", "--rm", "--image-volume=tmpfs", "volumes", "sh", "-c", script)).toBe(
      "tmpfs\n3",
    );
    const ignored = await ok("run", "--rm", "--image-volume=ignore", "volumes", "sh", "-c", script);
    expect(ignored).not.toContain("tmpfs");
    expect(await refused("run", "--image-volume=some", "volumes")).toContain("--image-volume");
  });
});

describe("archives", () => {
  test("export and import keep owners, modes and links, and go over what is there", async () => {
    const make =
      "mkdir /x/d; echo one > /x/d/f; chown 1000:50 /x/d/f; chmod 4750 /x/d/f; ln -s /etc /x/l; ln /x/d/f /x/h";
    await ok("run", "--rm", "-v", "from:/x", "tiny", "sh", "-c", make);
    const file = join(shared.world.home, "volume.tar");
    await ok("volume", "export", "-o", file, "from");
    await ok(
      "run",
      "--rm",
      "-v",
      "into:/x",
      "tiny",
      "sh",
      "-c",
      "echo own > /x/own; mkdir /x/d; echo old > /x/d/f",
    );
    const compressed = Bun.gzipSync(await Bun.file(file).bytes());
    const { exitCode, stderr } = await shared.world.tspod(["volume", "import", "into", "-"], {
      stdin: compressed,
    });
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    const look = "cd /x; stat -c '%n %a %u:%g %h' d/f; readlink l; cat own h";
    expect(await ok("run", "--rm", "-v", "into:/x", "tiny", "sh", "-c", look)).toBe(
      "d/f 4750 1000:50 2\n/etc\nown\none",
    );
    const again = await shared.world.tspod(["volume", "export", "from"]);
    expect(again.stdout.length).toBeGreaterThan(1000);
    expect(await refused("volume", "import", "none", file)).toContain('"none"');
    expect(await refused("volume", "import", "into", "/no/such")).toContain("/no/such");
    expect(await refused("volume", "import", "into", "/etc")).toContain('archive "/etc" (EISDIR)');
    const broken = await shared.world.tspod(["volume", "import", "into", "-"], {
      stdin: "no archive".repeat(200),
    });
    expect(broken.exitCode).toBe(125);
    await ok("volume", "rm", "from", "into");
  });
});

/** A directory on another disk than the store's, by a link in its place. */
async function elsewhere(): Promise<World & { volumes: string }> {
  const volumes = mkdtempSync("/dev/shm/tspod-volumes-");
  const world = await makeWorld({ images: ["tiny"] });
  mkdirSync(join(world.root, "data"), { recursive: true });
  symlinkSync(volumes, join(world.root, "data/volumes"));
  const dispose = async (): Promise<void> => {
    await world[Symbol.asyncDispose]();
    rmSync(volumes, { recursive: true });
  };
  return { ...world, volumes, [Symbol.asyncDispose]: dispose };
}

describe("volumes on another disk", () => {
  const isOther = (): string | undefined =>
    statSync("/dev/shm").dev === statSync(tmpdir()).dev ? "/dev/shm is no other disk" : undefined;
  const testThere = testWith(...registryPrograms, isOther);

  testThere("are removed with what is closed to the caller, and nothing stays", async () => {
    await using world = await elsewhere();
    const script = "mkdir -m 700 /v/x; echo hello > /v/x/y; chown -R 7:7 /v/x";
    await world.ok("run", "--rm", "-v", "it:/v", "tiny", "sh", "-c", script);
    await world.ok("volume", "rm", "it");
    await world.ok("run", "--rm", "-v", "/v", "tiny", "true");
    expect(readdirSync(world.volumes)).toEqual([]);
    await world.ok("volume", "ls");
    expect(readdirSync(join(world.root, "data/trash"))).toEqual([]);
  });

  testThere("what a killed command has left there is the next one's", async () => {
    await using world = await elsewhere();
    mkdirSync(join(world.volumes, ".trash-old/_data"), { recursive: true });
    mkdirSync(join(world.root, "data/trash"), { recursive: true });
    symlinkSync(join(world.root, "data/volumes/.trash-old"), join(world.root, "data/trash/old"));
    expect(await world.ok("volume", "ls", "-q")).toBe("");
    expect(readdirSync(world.volumes)).toEqual([]);
    await world.ok("volume", "ls");
    expect(readdirSync(join(world.root, "data/trash"))).toEqual([]);
  });
});

describe("use", () => {
  test("a size is that of all files, also of those that are closed to the caller", async () => {
    const script =
      "cd /v; mkdir -m 700 x; echo hello > x/y; ln x/y z; chown -R 7:7 x; ln -s abc link";
    await ok("run", "--rm", "-v", "closed:/v", "tiny", "sh", "-c", script);
    expect(await ok("volume", "ls", "-f", "name=closed", "--format", "{{.Size}}")).toBe("9B");
    await ok("volume", "rm", "closed");
  });

  test("inspect shows what was mounted", async () => {
    const flags = ["-v", "named:/n:ro", "-v", "/anonymous", "--tmpfs", "/t:size=1m"];
    await ok("create", "--name", "shown", ...flags, "tiny");
    const [{ Mounts, HostConfig }] = JSON.parse(await ok("inspect", "shown")) as [
      { Mounts: Record<string, unknown>[]; HostConfig: Record<string, unknown> },
    ];
    expect(Mounts.map(({ Type, Destination, RW }) => [Type, Destination, RW])).toEqual([
      ["volume", "/anonymous", true],
      ["volume", "/n", false],
      ["tmpfs", "/t", true],
    ]);
    expect(Mounts[1]).toMatchObject({ Name: "named", Driver: "local", Mode: "ro" });
    expect(String(Mounts[1]?.Source)).toEndWith("/volumes/named/_data");
    expect(HostConfig).toMatchObject({ Tmpfs: { "/t": "mode=1777,size=1m" } });
    expect(HostConfig.Binds).toContain("named:/n:ro");
    await ok("rm", "-v", "shown");
    await ok("volume", "rm", "named");
  });

  test("a volume in use is not removed and not pruned; -f takes its containers along", async () => {
    await ok("create", "--name", "user", "-v", "used:/x", "tiny");
    expect(await refused("volume", "rm", "used")).toContain('in use by container "user"');
    await ok("volume", "prune", "-a", "-f");
    expect(await names()).toContain("used");
    expect(await ok("volume", "rm", "-f", "used")).toBe("used");
    expect(await ok("ps", "-aq", "-f", "name=user")).toBe("");
  });

  test("prune asks, and tells what was freed", async () => {
    await ok("run", "--rm", "-v", "large:/x", "tiny", "sh", "-c", "head -c 5000 /dev/zero > /x/f");
    const no = await shared.world.tspod(["volume", "prune", "-a"], { stdin: "n\n" });
    expect(no.stdout).toContain("[y/N]");
    expect(await names()).toContain("large");
    expect(await ok("volume", "prune", "-f")).not.toContain("large");
    const yes = await shared.world.tspod(["volume", "prune", "-a"], { stdin: "y\n" });
    expect(yes.stdout).toContain("large\n");
    expect(yes.stdout).toContain("Total reclaimed space: 5kB");
  });

  test("twenty at once make, fill and use one volume", async () => {
    const words = ["run", "--rm", "-v", "shared:/data", "volumes", "cat", "/data/deep/file"];
    const results = await Promise.all(Array.from({ length: 20 }, () => shared.world.tspod(words)));
    expect(results.map(({ stdout, stderr }) => stdout + stderr)).toEqual(Array(20).fill("two"));
    expect(await names()).toContain("shared");
    await ok("volume", "rm", "shared");
    expect(directories()).toEqual([]);
  });

  test("twenty at once make and remove one volume", async () => {
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        shared.world.tspod(
          i % 2
            ? ["volume", "rm", "fought"]
            : ["run", "--rm", "-v", "fought:/x", "tiny", "touch", "/x/y"],
        ),
      ),
    );
    for (const { exitCode, stderr } of results) {
      if (exitCode !== 0) expect(stderr).toMatch(/Cannot find volume|in use|just been removed/);
    }
    await ok("volume", "rm", "-f", "fought");
    expect(directories()).toEqual([]);
  });
});
