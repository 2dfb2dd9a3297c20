/** Mounts with words: who owns what, what is thrown away, parts of volumes and images, other containers' volumes. */
import { beforeAll, describe, expect } from "bun:test";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { program, registryPrograms, testWith } from "../support/requirements.ts";
import { sharedWorld } from "../support/shared-world.ts";

const test = testWith(...registryPrograms);
const shared = sharedWorld({ images: ["tiny", "volumes", "configured"] });
let source = "";

beforeAll(() => {
  if (registryPrograms.some((missing) => missing() !== undefined)) return;
  source = join(shared.world.home, "source");
  mkdirSync(join(source, "sub"), { recursive: true });
  writeFileSync(join(source, "file"), "host\n");
});

const ok = (...words: string[]): Promise<string> => shared.world.ok(...words);
const inside = (flags: string[], script: string, image = "tiny"): Promise<string> =>
  ok("run", "--rm", "--entrypoint", "sh", ...flags, image, "-c", script);

async function refused(...words: string[]): Promise<string> {
  const { exitCode, stderr } = await shared.world.tspod(words);
  expect(exitCode).toBe(125);
  expect(stderr.trim().split("\n").length).toBeLessThan(4);
  return stderr;
}

describe("U", () => {
  const own = (path: string): string => {
    mkdirSync(join(path, "deep/er"), { recursive: true });
    writeFileSync(join(path, "deep/file"), "");
    symlinkSync("/etc/passwd", join(path, "deep/link"));
    symlinkSync(shared.world.home, join(path, "out"));
    return path;
  };
  const script =
    "stat -c '%u:%g %n' /x /x/deep/er /x/deep/file /x/deep/link /x/out; touch /x/deep/er/new";
  const theirs = ["/x", "/x/deep/er", "/x/deep/file", "/x/deep/link", "/x/out"];

  test.each(["keep-id", ""])(
    "gives a tree to the user of the container (--userns=%s)",
    async (mode) => {
      const path = own(join(shared.world.home, `given${mode}`));
      const userns = mode === "" ? [] : [`--userns=${mode}`];
      expect(await inside([...userns, "-u", "app", "-v", `${path}:/x:U`], script)).toBe(
        theirs.map((name) => `1000:1000 ${name}`).join("\n"),
      );
      // the link was given, and not what it leads to
      expect(lstatSync(shared.world.home).uid).toBe(process.getuid?.() ?? -1);
      const back = ["--userns=", "-u", "root"].slice(mode === "" ? 0 : 1);
      expect(back.length).toBeGreaterThan(0);
      expect(await inside(["-v", `${path}:/x:U`], "stat -c %u /x/deep/file")).toBe("0");
      expect(lstatSync(join(path, "deep/file")).uid).toBe(process.getuid?.() ?? -1);
    },
  );

  test("with a named user that nobody knows is refused, and a number that is nobody's too", async () => {
    const volume = ["-v", `${source}:/x:U`];
    expect(await refused("run", "--rm", "-u", "who", ...volume, "tiny")).toContain('no user "who"');
    expect(await refused("run", "--rm", "-u", "4000000000", ...volume, "tiny")).toContain(
      "4000000000",
    );
    expect(await ok("ps", "-aq")).toBe("");
  });

  test("of a volume, seeded before", async () => {
    expect(
      await inside(
        ["-u", "app", "-v", "mine:/data:U"],
        "stat -c '%u:%g' /data/deep /data/mine",
        "volumes",
      ),
    ).toBe("1000:1000\n1000:1000");
    await ok("volume", "rm", "mine");
  });
});

describe("O", () => {
  test("changes are thrown away, with the container", async () => {
    const script =
      "cat /x/file; echo new > /x/file; rm -r /x/sub; mkdir /x/made; ls /x; cat /x/file";
    expect(await inside(["-v", `${source}:/x:O`], script)).toBe("host\nfile\nmade\nnew");
    expect(readFileSync(join(source, "file"), "utf8")).toBe("host\n");
    expect(existsSync(join(source, "sub"))).toBe(true);
  });

  test("of a directory whose name is long and has colons", async () => {
    const strange = join(shared.world.home, "a".repeat(200), "b,c".repeat(30));
    mkdirSync(strange, { recursive: true });
    writeFileSync(join(strange, "file"), "strange\n");
    const mount = `type=bind,"src=${strange}",dst=/x,O`;
    expect(await inside(["--mount", mount], "cat /x/file; touch /x/y; ls /x")).toBe(
      "strange\nfile\ny",
    );
    expect(existsSync(join(strange, "y"))).toBe(false);
  });

  test("keeps them in an upperdir of one's own", async () => {
    const [upper, work] = ["upper", "work"].map((name) => join(shared.world.home, name));
    mkdirSync(upper ?? "");
    mkdirSync(work ?? "");
    const volume = `${source}:/x:O,upperdir=${upper},workdir=${work}`;
    await inside(["-v", volume], "echo kept > /x/kept");
    expect(await inside(["-v", volume], "cat /x/kept")).toBe("kept");
    expect(readFileSync(join(upper ?? "", "kept"), "utf8")).toBe("kept\n");
  });

  test.each(["keep-id", "nomap"])("with --userns=%s", async (mode) => {
    chmodSync(source, 0o755);
    expect(await inside([`--userns=${mode}`, "-v", `${source}:/x:O`], "cat /x/file")).toBe("host");
  });
});

describe("--mount", () => {
  test("type=image shows another image, read-only unless rw", async () => {
    const mount = "type=image,src=volumes,dst=/i";
    expect(
      await inside(
        ["--mount", mount],
        "cat /i/data/deep/file; touch /i/x 2>&1 || true; ls /i/data",
      ),
    ).toBe("twotouch: /i/x: Read-only file system\ndeep\nlink\nmine");
    expect(await inside(["--mount", `${mount},rw`], "touch /i/x && ls -d /i/x")).toBe("/i/x");
    expect(await inside(["--mount", `${mount},subpath=data/deep`], "ls /i; cat /i/file")).toBe(
      "file\ntwo",
    );
    expect(
      await inside(["--mount", "type=image,src=tiny,dst=/i"], "ls /i/bin | grep -c busybox"),
    ).toBe("1");
    expect(await refused("run", "--rm", "--mount", `${mount},subpath=none`, "tiny")).toContain(
      "none",
    );
  });

  test("type=volume with a subpath shows no more than that", async () => {
    await inside(
      ["-v", "parts:/v"],
      "mkdir -p /v/a/b; echo part > /v/a/b/file; ln -s / /v/root; ln -s ../../../../../../etc /v/up; ln -s a/b /v/in",
    );
    const mount = (path: string): string => `type=volume,src=parts,dst=/x,volume-subpath=${path}`;
    expect(await inside(["--mount", mount("a/b")], "cat /x/file; ls /x")).toBe("part\nfile");
    expect(await inside(["--mount", mount("in")], "cat /x/file")).toBe("part");
    for (const path of ["root/etc", "up", "root", "none"]) {
      expect(
        await refused("run", "--rm", "--mount", mount(path), "tiny", "cat", "/x/passwd"),
      ).toContain(path);
    }
    await ok("volume", "rm", "parts");
  });

  test("makes a volume with labels and options", async () => {
    const mount =
      "type=volume,src=made,dst=/x,volume-label=a=b,volume-opt=type=tmpfs,volume-opt=o=size=1m";
    expect(await inside(["--mount", mount], "stat -f -c %T /x")).toBe("tmpfs");
    const [found] = JSON.parse(await ok("volume", "inspect", "made")) as [Record<string, unknown>];
    expect(found).toMatchObject({ Labels: { a: "b" }, Options: { type: "tmpfs", o: "size=1m" } });
    await ok("volume", "rm", "made");
  });

  test("tmpfs, ramfs, devpts and glob", async () => {
    expect(
      await inside(["--mount", "type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=750"], "stat -c %a /t"),
    ).toBe("750");
    expect(await inside(["--mount", "type=ramfs,dst=/t"], "stat -f -c %T /t")).toContain("ramfs");
    expect(await inside(["--mount", "type=devpts,dst=/t"], "ls /t")).toBe("ptmx");
    expect(await inside(["--mount", `type=glob,src=${source}/f*,dst=/g`], "cat /g/file")).toBe(
      "host",
    );
  });

  test("over what a container has anyway", async () => {
    const etc = join(shared.world.home, "etc");
    mkdirSync(etc);
    writeFileSync(join(etc, "mine"), "mine\n");
    const hosts = join(shared.world.home, "hosts");
    writeFileSync(hosts, "hosts\n");
    expect(await inside(["-v", `${etc}:/etc`], "cat /etc/mine; grep -c localhost /etc/hosts")).toBe(
      "mine\n2",
    );
    expect(await inside(["-v", `${hosts}:/etc/hosts`], "cat /etc/hosts")).toBe("hosts");
    expect(
      await inside(["--tmpfs", "/dev/shm:size=1m"], "df -k /dev/shm | awk 'NR==2 {print $2}'"),
    ).toBe("1024");
    expect(
      await inside(["-v", `${source}/sub:/a/b`, "-v", `${source}:/a`], "ls /a; ls -d /a/b"),
    ).toBe("b\nfile\nsub\n/a/b");
  });
});

testWith(...registryPrograms, program("crun"))(
  "another runtime is not asked for parts",
  async () => {
    await ok("volume", "create", "whole");
    const mount = "type=volume,src=whole,dst=/x,volume-subpath=a";
    expect(await refused("run", "--rm", "--runtime", "crun", "--mount", mount, "tiny")).toContain(
      "crun",
    );
    expect(
      await inside(["--runtime", "crun", "-v", `${source}:/x:O`], "touch /x/y; ls /x"),
    ).toContain("y");
    expect(existsSync(join(source, "y"))).toBe(false);
    await ok("volume", "rm", "whole");
  },
);

describe("--volumes-from", () => {
  test("has what the other has, and ro where that is said", async () => {
    await ok(
      "create",
      "--name",
      "other",
      "-v",
      "shared:/v",
      "-v",
      `${source}:/b:ro`,
      "--tmpfs",
      "/t",
      "tiny",
    );
    expect(
      await inside(
        ["--volumes-from", "other"],
        "echo x > /v/x; cat /b/file; ls -d /t 2>&1 | tail -1",
      ),
    ).toContain("host\nls: /t: No such file");
    expect(
      await inside(["--volumes-from", "other:ro"], "cat /v/x; touch /v/y 2>&1 | grep -c Read-only"),
    ).toBe("x\n1");
    expect(await inside(["--volumes-from", "other", "-v", `${source}:/v`], "cat /v/file")).toBe(
      "host",
    );
    expect(await refused("run", "--rm", "--volumes-from", "none", "tiny")).toContain('"none"');
    expect(await refused("run", "--rm", "--volumes-from", "other:xx", "tiny")).toContain(
      "--volumes-from",
    );
    await ok("create", "--name", "third", "--volumes-from", "other", "tiny");
    await ok("rm", "other");
    const kept = await shared.world.tspod(["volume", "rm", "shared"]);
    expect(kept).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('"third"') });
    await ok("rm", "third");
    await ok("volume", "rm", "shared");
  });

  test("anonymous volumes live as long as somebody has them", async () => {
    await ok("create", "--name", "one", "volumes");
    await ok("create", "--name", "two", "--volumes-from", "one", "tiny");
    const names = await ok("volume", "ls", "-q");
    await ok("rm", "-v", "one");
    expect(await ok("volume", "ls", "-q")).toBe(names);
    expect(await ok("start", "-a", "two")).toBe("");
    await ok("rm", "-v", "two");
    expect(await ok("volume", "ls", "-q")).toBe("");
  });
});
