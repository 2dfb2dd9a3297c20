/** Images and volumes as directories, in `tspod unshare`: what is shown, who may, and what ends with the session. */
import { describe, expect } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { registryPrograms, testWith, type Requirement } from "../support/requirements.ts";
import { sharedWorld } from "../support/shared-world.ts";
import { tspodFile } from "../support/world.ts";

const isOrdinary: Requirement = () =>
  process.getuid?.() === 0 ? "root needs no user namespace" : undefined;
const test = testWith(isOrdinary, ...registryPrograms);
const shared = sharedWorld({ images: ["tiny", "layered"] });

/** A script in one `tspod unshare`, in which "$0" is tspod. */
const inside = (script: string) => shared.world.tspod(["unshare", "sh", "-ec", script, tspodFile]);

describe("image mount", () => {
  test("shows the files of all layers as a container sees them, for reading", async () => {
    const script = `dir=$("$0" image mount layered); ls $dir/data $dir/hidden; cat $dir/data/kept
      test "$("$0" image mount layered)" = $dir; stat -c %u $dir/etc; touch $dir/x 2>/dev/null || echo read-only`;
    const { exitCode, stdout, stderr } = await inside(script);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    expect(stdout.replaceAll(shared.world.root, "")).toMatch(
      /\/data:\nkept\n\n.*\/hidden:\nnew\ntwo0\nread-only\n$/,
    );
  });

  test("one layer alone is for reading too", async () => {
    const script = `dir=$("$0" image mount tiny); ls $dir; touch $dir/x 2>/dev/null || echo read-only`;
    const { stdout } = await inside(script);
    expect(stdout).toMatch(/bin\n(.|\n)*read-only\n$/);
  });

  test("lists, for people and programs; unmount takes away, once", async () => {
    const { stdout, stderr } = await inside(`
      "$0" image mount tiny layered; echo --; "$0" image mount; echo --
      "$0" image mount --format json; "$0" image unmount tiny; "$0" image mount; echo --
      "$0" image unmount tiny || true; "$0" image umount -a; "$0" image mount`);
    const [both = "", list = "", json = "", rest = ""] = stdout.split("--\n");
    expect(both).toMatch(/^tiny:latest\t\/.+\nlayered:latest\t\/.+\n$/);
    expect(list.split("\n").sort()).toEqual(both.split("\n").sort());
    const [objects = "", ...after] = json.split(/(?<=\n\]\n)/);
    const ids = (JSON.parse(objects) as { id: string; mountpoint: string }[]).map(({ id }) => id);
    expect(ids).toHaveLength(2);
    expect(after.join("")).toMatch(/^[0-9a-f]{64}\nlayered:latest\t.+\n$/);
    expect(rest).toMatch(/^[0-9a-f]{64}\n$/);
    expect(stderr).toStartWith('Error: Cannot unmount image "tiny": it is not mounted\n');
  });

  test("what is mounted keeps its files though the image is removed, until the session ends", async () => {
    const { world } = shared;
    await world.ok("pull", "-q", "configured");
    const { exitCode, stdout } = await inside(`dir=$("$0" image mount configured)
      "$0" rmi -f configured tiny layered > /dev/null; ls $dir | wc -l; "$0" image mount`);
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^[1-9]\d*\n[0-9a-f]{12}\t/);
    await world.ok("ps"); // any command sees to what dead ones have left
    expect(readdirSync(join(world.root, "data/layers"))).toEqual([]);
    for (const name of ["tiny", "layered"]) await world.ok("pull", "-q", name);
  });

  test("outside it says where it can be done; a stranger is not found", async () => {
    const { exitCode, stderr } = await shared.world.tspod(["image", "mount", "tiny"]);
    expect(exitCode).toBe(125);
    expect(stderr).toMatch(
      /^Error: Cannot mount an image: only root.*\n {2}tspod unshare, and in it/,
    );
    expect((await inside('"$0" image mount nothing')).stderr).toStartWith(
      "Error: Cannot find image",
    );
    const list = await shared.world.tspod(["image", "mount"]);
    expect(list).toEqual({ exitCode: 0, stdout: "", stderr: "" });
  });

  test("a session that was killed leaves nothing that lasts", async () => {
    const script = '"$0" image mount tiny > /dev/null; kill -9 $$';
    const killed = shared.world.start(["unshare", "sh", "-ec", script, tspodFile]);
    await killed.exited;
    expect(killed.signalCode).toBe("SIGKILL");
    await inside('"$0" image mount tiny > /dev/null; "$0" image unmount tiny > /dev/null');
    const mounts = join(shared.world.root, "data/mounts");
    expect(readdirSync(mounts).length).toBeLessThanOrEqual(1);
    expect(await shared.world.ok("images", "-q")).not.toBe("");
  });
});

describe("volume mount", () => {
  test("prints its directory; one in memory has none", async () => {
    const { world } = shared;
    await world.ok("volume", "create", "data");
    const path = await world.ok("volume", "mount", "data");
    expect(existsSync(path)).toBe(true);
    expect(path).toBe(await world.ok("volume", "inspect", "-f", "{{.Mountpoint}}", "data"));
    expect(await world.ok("volume", "unmount", "data")).toBe("data");
    await world.ok("volume", "create", "-o", "type=tmpfs", "memory");
    const { exitCode, stderr } = await world.tspod(["volume", "mount", "memory"]);
    expect([exitCode, stderr]).toEqual([125, expect.stringContaining("it is in memory")]);
    await world.ok("volume", "rm", "data", "memory");
  });
});
