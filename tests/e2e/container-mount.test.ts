/** Roots of containers as directories, in `tspod unshare`: what is written there stays, and nobody starts what is mounted. */
import { describe, expect } from "bun:test";
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { subordinateIds } from "../helper/layer-fixture.ts";
import { registryPrograms, testWith, type Requirement } from "../support/requirements.ts";
import { sharedWorld } from "../support/shared-world.ts";
import { tspodFile } from "../support/world.ts";

const isOrdinary: Requirement = () =>
  process.getuid?.() === 0 ? "root needs no user namespace" : undefined;
const test = testWith(isOrdinary, ...registryPrograms, subordinateIds);
const shared = sharedWorld({ images: ["tiny", "layered"] });
const ok = (...words: string[]) => shared.world.ok(...words);
const refusal = async (...words: string[]) => (await shared.world.tspod(words)).stderr;

/** A script in one `tspod unshare`, in which "$0" is tspod. */
const inside = (script: string) => shared.world.tspod(["unshare", "sh", "-ec", script, tspodFile]);

test("its root is there with what it has written, and what is written there it has", async () => {
  await ok("run", "--name", "it", "layered", "sh", "-c", "echo own > /data/own");
  const { exitCode, stdout, stderr } = await inside(`dir=$("$0" mount it)
    cat $dir/data/own; ls $dir/data; stat -c %u $dir/etc; echo host > $dir/data/more; rm $dir/data/kept
    test "$("$0" container mount it)" = $dir; "$0" mount; "$0" umount it; ls $dir 2>/dev/null | wc -l`);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  const id = (await ok("inspect", "-f", "{{.Id}}", "it")).slice(0, 12);
  expect(stdout).toMatch(new RegExp(`^own\nkept\nown\n0\n${id}\t/.*\nit\n0\n$`));
  expect(await ok("diff", "it")).toBe("C /data\nD /data/kept\nA /data/more\nA /data/own");
  expect(await ok("container", "diff", "--latest")).toBe(await ok("diff", "it"));
  await ok("rm", "it");
});

test("it is neither started nor removed meanwhile, and afterwards as ever", async () => {
  await ok("create", "--name", "it", "tiny", "true");
  const { stdout, stderr } = await inside(`"$0" mount -l > /dev/null
    "$0" start it || echo $?; "$0" rm it || echo $?; "$0" rename it other; "$0" rename other it
    "$0" umount -a; "$0" umount it || echo $?`);
  expect(stdout).toMatch(/^125\n125\n[0-9a-f]{64}\n125\n$/);
  expect(stderr).toMatch(
    /^Error: The root of container "it" is mounted by a session\n {2}tspod unm/,
  );
  expect(stderr).toContain('Cannot unmount container "it": it is not mounted');
  await ok("start", "-a", "it");
  await inside('"$0" mount it > /dev/null; "$0" rm -f it');
  expect(await ok("ps", "-aq")).toBe("");
});

test("a session that was killed leaves nothing that lasts", async () => {
  await ok("create", "--name", "it", "tiny", "true");
  const script = '"$0" mount it > /dev/null; kill -9 $$';
  const killed = shared.world.start(["unshare", "sh", "-ec", script, tspodFile]);
  await killed.exited;
  expect(killed.signalCode).toBe("SIGKILL");
  await ok("start", "-a", "it");
  const { stdout } = await inside('"$0" mount --format json it; "$0" umount -a > /dev/null');
  expect(JSON.parse(stdout)).toMatchObject([{ Names: ["it"], mountpoint: expect.any(String) }]);
  expect(readdirSync(join(shared.world.root, "data/mounts"))).toHaveLength(1);
  await ok("rm", "it");
});

describe("where it cannot be", () => {
  test("outside of a session it says where, and lists nothing", async () => {
    await ok("create", "--name", "it", "tiny");
    expect(await refusal("mount", "it")).toMatch(
      /^Error: Cannot mount a container: only root of a user namespace can\n {2}tspod unshare, and in it tspod container mount it\n$/,
    );
    expect(await ok("mount")).toBe("");
    expect(await refusal("umount")).toContain("needs a container");
    expect(await refusal("mount", "--external")).toContain("of tspod's own");
    expect(await refusal("mount", "--format", "x")).toContain("use json");
    expect((await inside('"$0" mount nobody')).stderr).toContain("nobody");
    await ok("rm", "it");
  });

  test("what runs keeps its root to itself", async () => {
    await ok("run", "-d", "--name", "it", "tiny", "sleep", "1000");
    const { exitCode, stderr } = await inside('"$0" mount it');
    expect(exitCode).toBe(125);
    expect(stderr).toStartWith('Error: Cannot mount the root of "it": it runs, and');
    expect(await ok("exec", "it", "echo", "alive")).toBe("alive");
    expect((await inside('"$0" mount -a')).stdout).toBe("");
    await ok("rm", "-f", "it");
  });

  test("a root that is a directory of the host is named, in a session or not", async () => {
    const root = join(shared.world.home, "root");
    mkdirSync(root);
    await ok("create", "--name", "it", "--rootfs", root, "true");
    expect(await ok("mount", "it")).toBe(root);
    await ok("rm", "it");
    expect(existsSync(root)).toBe(true);
  });
});
