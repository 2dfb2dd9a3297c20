/** --userns and its kind, seen from inside and outside: who is who, whose files are whose. */
import { describe, expect } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { registryPrograms, type Requirement, testWith } from "../support/requirements.ts";
import { until } from "../support/wait.ts";
import { sharedWorld } from "../support/shared-world.ts";

const uid = process.getuid?.() ?? 0;
const gid = process.getgid?.() ?? 0;
const name = Bun.spawnSync(["id", "-un"]).stdout.toString().trim();

/** Our line of /etc/subuid; the tests' user has the same in /etc/subgid. */
const [, start = 0, count = 0] =
  readFileSync("/etc/subuid", "utf8")
    .split("\n")
    .map((line) => line.split(":"))
    .find(([owner]) => owner === name || owner === String(uid))
    ?.map(Number) ?? [];

const subordinateIds: Requirement = () => (count >= 65_536 ? undefined : "no subordinate ids");
const test = testWith(...registryPrograms, subordinateIds);
const shared = sharedWorld({ images: ["tiny", "configured", "layered"] });

/** What is in the directories of a directory, which need not be there. */
const list = (directory: string): string[] =>
  existsSync(directory)
    ? readdirSync(directory).flatMap((chain) =>
        readdirSync(join(directory, chain)).map((name) => join(chain, name)),
      )
    : [];
const out = async (...words: string[]) => {
  const { exitCode, stdout, stderr } = await shared.world.tspod(["run", "--rm", ...words]);
  if (exitCode !== 0) throw new Error(`status ${exitCode}: ${stderr}`);
  return stdout.replace(/\n$/, "");
};
const sh = (flags: string, script: string) => out(...flags.split(" "), "tiny", "sh", "-c", script);
/** "INSIDE:OUTSIDE:COUNT" of each line. */
const map = async (flags: string, file = "uid_map") =>
  (await sh(flags, `cat /proc/self/${file}`))
    .split("\n")
    .map((line) => line.trim().replace(/ +/g, ":"));

describe("--userns=keep-id", () => {
  test("we are ourselves inside, everybody else is a subordinate id", async () => {
    expect(await map("--userns=keep-id")).toEqual([
      ...[`0:${start}:${uid}`, `${uid}:${uid}:1`, `${uid + 1}:${start + uid}:${count - uid}`],
    ]);
    expect(await sh("--userns=keep-id", "id -u; id -g")).toBe(`${uid}\n${gid}`);
  });

  test("the image's files are root's all the same, and only root may write them", async () => {
    const script = "stat -c %u:%g / /bin /bin/busybox; touch /x 2>/dev/null || echo refused";
    expect(await sh("--userns=keep-id", script)).toBe("0:0\n0:0\n0:0\nrefused");
    expect(await sh("--userns=keep-id -u 0", "touch /x && stat -c %u /x")).toBe("0");
  });

  test("what we write into our own directory is ours outside", async () => {
    const directory = join(shared.world.home, "kept");
    mkdirSync(directory);
    chmodSync(directory, 0o700);
    const script = `stat -c %u /d; touch /d/file`;
    expect(await sh(`--userns=keep-id -v ${directory}:/d`, script)).toBe(String(uid));
    expect(statSync(join(directory, "file")).uid).toBe(uid);
  });

  test("/etc/passwd and /etc/group know us", async () => {
    const script = "id -un; id -gn; echo $HOME; grep -c root /etc/passwd";
    expect(await sh("--userns=keep-id -w /tmp", script)).toBe(`${name}\n${name}\n/\n1`);
    expect(await sh("--userns=keep-id:uid=1000,gid=50", "id")).toBe("uid=1000(app) gid=50(staff)");
  });

  test("another id than ours, and the image's own user", async () => {
    expect(await sh("--userns=keep-id:uid=7,gid=8", "id -u; id -g; id -G")).toBe("7\n8\n8");
    expect(await out("--userns=keep-id", "--entrypoint", "id", "configured", "-un")).toBe("app");
  });

  test("layers below each other, whiteouts included", async () => {
    const script = "cat /data/kept; ls /data /hidden; stat -c %u:%g /data/kept";
    const words = ["--userns=keep-id", "layered", "sh", "-c", script];
    expect(await out(...words)).toBe("two/data:\nkept\n\n/hidden:\nnew\n0:0");
  });

  test("under another name than its own it still has capabilities of root inside", async () => {
    const script =
      "chown 1:1 /tmp && stat -c %u /tmp; mknod /tmp/n c 1 3 2>/dev/null || echo no device";
    expect(await sh("--userns=keep-id -u 0", script)).toBe("1\nno device");
  });
});

describe("--userns=nomap and auto", () => {
  test("nomap: nobody inside is us, and our directories are nobody's", async () => {
    expect(await map("--userns=nomap")).toEqual([`0:${start}:${count}`]);
    const directory = join(shared.world.home, "unmapped");
    mkdirSync(directory);
    writeFileSync(join(directory, "file"), "read me\n");
    const script = "id -u; stat -c %u /d; cat /d/file; touch /d/x 2>/dev/null || echo refused";
    expect(await sh(`--userns=nomap -v ${directory}:/d`, script)).toBe(
      "0\n65534\nread me\nrefused",
    );
  });

  test("nomap: a new volume is the container's", async () => {
    expect(await sh("--userns=nomap -v fresh:/v", "touch /v/x; stat -c %u /v /v/x")).toBe("0\n0");
  });

  test("nomap: with init, exec, and an end that leaves nothing", async () => {
    const { world } = shared;
    const id = await world.ok("run", "-d", "--init", "--userns=nomap", "tiny", "sleep", "1000");
    expect(await world.ok("exec", id, "sh", "-c", "touch /x; stat -c %u /x /")).toBe("0\n0");
    await world.ok("rm", "-f", id);
    expect(readdirSync(join(world.root, "data/containers"))).toEqual([]);
  });

  test("auto: no two containers share an id", async () => {
    const { world } = shared;
    const one = await world.ok("run", "-d", "--userns=auto", "tiny", "sleep", "1000");
    expect(await world.ok("exec", one, "cat", "/proc/self/gid_map")).toMatch(
      new RegExp(`^ *0 +${start} +1024$`),
    );
    expect(await map("--userns=auto:size=3000")).toEqual([`0:${start + 1024}:3000`]);
    const { exitCode, stderr } = await world.tspod(["run", "--userns=auto:size=65000", "tiny"]);
    expect(exitCode).toBe(125);
    expect(stderr).toContain("There are not 65000 subordinate ids in a row");
    await world.ok("rm", "-f", one);
    expect(await map("--userns=auto")).toEqual([`0:${start}:1024`]);
  });
});

describe("maps of one's own", () => {
  test("--uidmap counts our ids from 0, which is us; --gidmap is the same", async () => {
    const flags = "--uidmap 0:1:10 --uidmap 100:0:1";
    const expected = (own: number) => [`0:${start}:10`, `100:${own}:1`];
    expect(await map(flags)).toEqual(expected(uid));
    expect(await map(flags, "gid_map")).toEqual(expected(gid));
    expect(await sh(`${flags} -u 100`, "id -u; stat -c %u /")).toBe("100\n0");
  });

  test("--subuidname takes the ranges of a name", async () => {
    expect(await map(`--subuidname ${name}`)).toEqual([`0:${start}:${count}`]);
  });

  test("host and private are what is usual", async () => {
    expect(await map("--userns=host")).toEqual(await map("--userns=private"));
    expect(await map("--userns=host", "gid_map")).toEqual(await map("--rm", "gid_map"));
  });

  test("a container without a root runs as who is there", async () => {
    expect(await sh("--uidmap 5:0:1 -u 5:5", "id -u")).toBe("5");
    const { stderr } = await shared.world.tspod([
      "run",
      "--rm",
      "--uidmap",
      "5:0:1",
      "tiny",
      "true",
    ]);
    expect(stderr).toContain("id 0 is not mapped in the user namespace");
  });
});

describe("trees of the image", () => {
  test("are made once for each map, and go with the image", async () => {
    const { world } = shared;
    const data = join(world.root, "data");
    const chains = () => readdirSync(join(data, "layers"));
    /** Light ones, and copies beside the layer. */
    const trees = () =>
      [...list(join(data, "mapped")), ...list(join(data, "layers"))].filter((name) =>
        /\/ids-[^/]*$/.test(name),
      );
    await sh("--userns=keep-id:uid=4321", "true");
    const before = trees();
    expect(before).not.toEqual([]);
    await sh("--userns=keep-id:uid=4321", "true");
    expect(trees()).toEqual(before);
    await out("--userns=keep-id", "layered", "true");
    const [more, many] = [trees(), chains()];
    await world.ok("rmi", "-f", "layered");
    expect(chains().length).toBeLessThan(many.length);
    expect(trees().length).toBeLessThan(more.length);
    for (const chain of chains())
      expect(existsSync(join(data, "layers", chain, "diff"))).toBe(true);
    await until("the trash is empty", () => readdirSync(join(data, "trash")).length === 0);
  });

  test("two at once make one", async () => {
    const words = ["--userns=keep-id:uid=5432", "tiny", "id", "-u"];
    const all = await Promise.all(Array.from({ length: 3 }, () => out(...words)));
    expect(all).toEqual(["5432", "5432", "5432"]);
  });
});

test("a name that is taken leaves nothing, whoever owned it", async () => {
  const { world } = shared;
  await world.ok("create", "--name", "taken", "tiny", "true");
  const { exitCode, stderr } = await world.tspod([
    "create",
    "--name",
    "taken",
    "--userns=keep-id",
    "tiny",
  ]);
  expect([exitCode, stderr]).toEqual([125, expect.stringContaining('The name "taken" is in use')]);
  await world.ok("rm", "taken");
  expect(readdirSync(join(world.root, "data/containers"))).toEqual([]);
});

test("inspect shows the map", async () => {
  const { world } = shared;
  const id = await world.ok("create", "--userns=keep-id", "--ipc=host", "tiny", "true");
  const [{ HostConfig, Config }] = JSON.parse(await world.ok("inspect", id));
  expect(HostConfig).toMatchObject({
    ...{ UsernsMode: "keep-id", IpcMode: "host", PidMode: "private", UTSMode: "private" },
    CgroupnsMode: "private",
  });
  expect(HostConfig.IDMappings.UidMap).toContain(`${uid}:${uid}:1`);
  expect(Config.User).toBe(`${uid}:${gid}`);
  await world.ok("rm", id);
});
