/** What files of the image hold under another map: the same as without one, wherever their content lies. */
import { expect } from "bun:test";
import { Database } from "bun:sqlite";
import { existsSync, lstatSync, readdirSync } from "node:fs";
import { release } from "node:os";
import { join } from "node:path";
import { registryPrograms, type Requirement, testWith } from "../support/requirements.ts";
import { sharedWorld } from "../support/shared-world.ts";
import { hostMapping } from "../../src/host/index.ts";

const subordinateIds: Requirement = () => hostMapping(process.env).limitation;
const test = testWith(...registryPrograms, subordinateIds);
const shared = sharedWorld({ images: ["large"] });

/** As root inside, whoever that is outside. */
const maps = [
  "--userns=keep-id",
  "--userns=nomap",
  "--userns=auto",
  "--uidmap=0:1:2000 --uidmap=3000:0:1",
];
const sums = "cd /data && md5sum */* * 2>/dev/null | sort";

const run = (flags: string, ...words: string[]) =>
  shared.world.ok("run", "--rm", "-u", "0", ...flags.split(" "), "large", ...words);
const plain = () => shared.world.ok("run", "--rm", "large", "sh", "-c", sums);

test.each(maps)("%s", async (flags) => {
  const wanted = await plain();
  expect(wanted.split("\n")).toHaveLength(6);
  expect(await run(flags, "sh", "-c", sums)).toBe(wanted);
  const script = "stat -c '%n %s %a %u:%g' /data/* /data/closed/*";
  const described = await shared.world.ok("run", "--rm", "large", "sh", "-c", script);
  expect(await run(flags, "sh", "-c", script)).toBe(described);
});

test("what is written to such a file is the container's alone", async () => {
  const script = "echo more >> /data/kept; wc -l < /data/kept; head -1 /data/kept";
  expect(await run("--userns=keep-id", "sh", "-c", script)).toBe("5001\nkept");
  expect(await run("--userns=keep-id", "sh", "-c", "wc -l < /data/kept")).toBe("5000");
});

test.each(["copy", "fuse-overlayfs"])("TSPOD_ROOTFS=%s has it, too", async (rootfs) => {
  const words = ["run", "--rm", "-u", "0", "--userns=keep-id", "large", "sh", "-c", sums];
  const { stdout } = await shared.world.tspod(words, { environment: { TSPOD_ROOTFS: rootfs } });
  expect(stdout.trimEnd()).toBe(await plain());
});

test("a volume that the image fills has it, and so has what is copied out of a stopped container", async () => {
  const { world } = shared;
  const script = "cat /v/kept /v/closed/file | wc -l";
  const flags = ["--userns=keep-id", "-u", "0"];
  await world.ok("run", "--rm", ...flags, "-v", "filled:/data", "large", "true");
  expect(await world.ok("run", "--rm", "-v", "filled:/v", "large", "sh", "-c", script)).toBe(
    "10000",
  );
  const id = await world.ok("create", ...flags, "large", "true");
  await world.ok("cp", `${id}:/data/replaced`, "copied");
  expect((await Bun.file(join(world.home, "copied")).text()).slice(0, 4)).toBe("new\n");
  expect(await world.ok("diff", id)).toBe("");
  await world.ok("export", "-o", "all.tar", id);
  const listed = await Bun.$`tar -xOf ${join(world.home, "all.tar")} data/second`.text();
  expect(listed.split("\n")).toHaveLength(5001);
  await world.ok("rm", id);
});

/** Light trees: where files can have their content elsewhere. */
function lightTrees(): string[] {
  const mapped = join(shared.world.root, "data/mapped");
  if (!existsSync(mapped)) return [];
  return readdirSync(mapped).flatMap((chain) =>
    readdirSync(join(mapped, chain)).map((key) => join(mapped, chain, key, "diff")),
  );
}

const dataLayers: Requirement = () => {
  const [major = 0, minor = 0] = release().split(".").map(Number);
  return major > 6 || (major === 6 && minor >= 16) ? undefined : "this host has Linux before 6.16";
};
const testLight = testWith(...registryPrograms, subordinateIds, dataLayers);

testLight("takes next to no room, in the file's own inode where that is possible", async () => {
  await run("--userns=keep-id:uid=77,gid=77", "true");
  const kept = lightTrees().map((tree) => lstatSync(join(tree, "data/kept")));
  expect(kept.length).toBeGreaterThan(0);
  for (const { size, blocks } of kept) {
    expect(size).toBe(25_000);
    expect(blocks * 512).toBeLessThanOrEqual(4096);
  }
});

testLight("made where content can be elsewhere, a container is whole where it cannot", async () => {
  const { world } = shared;
  const script = "echo mine >> /data/kept; tail -1 /data/kept; wc -l < /data/kept";
  const flags = ["--userns=keep-id:uid=78,gid=78", "-u", "0"];
  const names = ["started", "copied"] as const;
  for (const name of names) {
    await world.ok("create", "--name", name, ...flags, "large", "sh", "-c", script);
  }
  expect(await world.ok("start", "-a", "started")).toBe("mine\n5001");
  const lower = () => world.ok("inspect", "--format", "{{.GraphDriver.Data.LowerDir}}", "started");
  expect(await lower()).toContain("/mapped/");
  using database = new Database(join(world.root, "data/tspod.db"));
  const remember = (value: string) =>
    database.query("UPDATE host_fact SET value = ? WHERE key LIKE 'data %'").run(value);
  remember("no"); // what is found out once on an older kernel
  try {
    expect(await world.ok("start", "-a", "started")).toBe("mine\n5002");
    expect(await lower()).not.toContain("/mapped/");
    await world.ok("cp", "copied:/data/kept", "copied");
    const copied = await Bun.file(join(world.home, "copied")).text();
    expect(copied.split("\n")).toHaveLength(5001);
  } finally {
    remember("yes");
  }
  expect(await world.ok("start", "-a", "started")).toBe("mine\n5003");
  await world.ok("rm", ...names);
});
