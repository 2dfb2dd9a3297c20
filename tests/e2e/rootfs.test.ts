/** --rootfs: a directory of the host as root, itself or with a throw-away layer over it; "/" included. */
import { describe, expect } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { subordinateIds } from "../helper/layer-fixture.ts";
import { registryPrograms, testWith } from "../support/requirements.ts";
import { sharedWorld } from "../support/shared-world.ts";

const test = testWith(...registryPrograms, subordinateIds);
const shared = sharedWorld({ images: ["tiny"] });
const ok = (...words: string[]) => shared.world.ok(...words);
const tspod = (...words: string[]) => shared.world.tspod(words);

let count = 0;
/** What the image has, as a directory of the caller's. */
async function directory(): Promise<string> {
  const path = join(shared.world.home, `root-${count++}`);
  const id = await ok("create", "tiny");
  mkdirSync(path);
  await ok("cp", `${id}:/.`, path);
  await ok("rm", id);
  return path;
}

test("a directory is the root, and what is written is written there", async () => {
  const root = await directory();
  expect(
    await ok("run", "--rm", "--rootfs", root, "sh", "-c", "echo in > /new; id -u; cat /new"),
  ).toBe("0\nin");
  expect(readFileSync(join(root, "new"), "utf8")).toBe("in\n");
});

test("with :O nothing is written there, and the container keeps it until it goes", async () => {
  const root = await directory();
  const script = "cat /new; echo in >> /new; rm /etc/group";
  const id = await ok("create", "--rootfs", `${root}:O`, "sh", "-c", script);
  await ok("start", "-a", id).catch(() => undefined);
  expect((await tspod("start", "-a", id)).stdout).toBe("in\n");
  expect(existsSync(join(root, "new"))).toBe(false);
  expect(existsSync(join(root, "etc/group"))).toBe(true);
  expect(await ok("diff", id)).toBe("C /etc\nD /etc/group\nA /new");
  const [seen] = JSON.parse(await ok("inspect", id));
  expect(seen).toMatchObject({ Rootfs: root, Image: "", ImageName: "" });
  const { stderr } = await tspod("commit", id, "x");
  expect(stderr).toContain("export");
  await ok("rm", id);
});

test("an empty volume gets what the directory has there, links followed inside of it, as with an image", async () => {
  const root = await directory();
  mkdirSync(join(root, "srv/kept"), { recursive: true });
  writeFileSync(join(root, "srv/kept/file"), "of the directory", { mode: 0o640 });
  symlinkSync("/srv", join(root, "link"));
  symlinkSync("/../../../../../../etc", join(root, "out"));
  for (const [form, name, place] of [
    [root, "plain", "/srv"],
    [`${root}:O`, "thrown", "/srv"],
    [root, "linked", "/link"],
  ] as const) {
    const script = `cat ${place}/kept/file; stat -c ' %a' ${place}/kept/file; echo changed > ${place}/kept/file`;
    const words = ["run", "--rm", "-v", `${name}:${place}`, "--rootfs", form, "sh", "-c", script];
    expect(await ok(...words)).toBe("of the directory 640");
  }
  expect(readFileSync(join(root, "srv/kept/file"), "utf8")).toBe("of the directory");
  const again = ["run", "--rm", "-v", "plain:/srv", "--rootfs", root, "cat", "/srv/kept/file"];
  expect(await ok(...again)).toBe("changed");
  const bare = ["run", "--rm", "-v", "bare:/srv:nocopy", "--rootfs", root, "ls", "/srv"];
  expect(await ok(...bare)).toBe("");
  // what a link of the directory's says is meant inside of it
  const inside = ["run", "--rm", "-v", "out:/out", "--rootfs", `${root}:O`, "ls", "/out"];
  expect((await ok(...inside)).split("\n")).not.toContain("shadow");
});

describe("the host's own root", () => {
  test("with :O everything is there, as readable as it is outside, and nothing is written", async () => {
    const victim = join(shared.world.home, "victim");
    writeFileSync(victim, "before");
    const script = `cat ${victim}; echo after > ${victim}; cat ${victim}; ls -d /usr/bin/env; cat /etc/shadow; ls /proc/self/ns/pid`;
    const { stdout, stderr, exitCode } = await tspod(
      "run",
      "--rm",
      "--rootfs",
      "/:O",
      "sh",
      "-c",
      script,
    );
    expect(stdout).toBe("beforeafter\n/usr/bin/env\n/proc/self/ns/pid\n");
    expect(stderr).toContain("in memory");
    expect(stderr).toContain("shadow");
    expect(exitCode).toBe(0);
    expect(readFileSync(victim, "utf8")).toBe("before");
  });

  test("its files come out while it runs, and what cannot be is said", async () => {
    const id = await ok(
      "run",
      "-d",
      "--rootfs",
      "/:O",
      "sh",
      "-c",
      "echo x > /tmp/mine; exec sleep 1000",
    );
    const to = join(shared.world.home, "mine");
    await ok("exec", id, "sh", "-c", "until [ -s /tmp/mine ]; do :; done");
    await ok("cp", `${id}:/tmp/mine`, to);
    expect(readFileSync(to, "utf8")).toBe("x\n");
    expect((await tspod("diff", id)).stderr).toContain("memory");
    await ok("kill", id);
    await ok("wait", id);
    const { exitCode, stderr } = await tspod("cp", to, `${id}:/tmp`);
    expect(exitCode).toBe(125);
    expect(stderr).toContain("memory");
    await ok("rm", id);
  });
});

test.each([
  [["/no/such"], "does not exist"],
  [["/etc/passwd"], "not a directory"],
  [["/etc:X", "true"], '"X"'],
  [["/etc:idmap", "true"], "idmap"],
  [["/etc:O"], "command"],
])("%p is refused: %s", async (words, wanted) => {
  const { exitCode, stderr } = await tspod("run", "--rm", "--rootfs", ...words);
  expect(exitCode).toBe(125);
  expect(stderr).toContain(wanted);
});

describe("what belongs to somebody who has no id in the container", () => {
  const few = ["--uidmap", "0:0:1000", "--gidmap", "0:0:1000"];
  const run = (root: string, rootfs: "overlay" | "copy", script: string) =>
    shared.world.tspod(
      ["run", "--rm", "--network=none", ...few, "--rootfs", root, "sh", "-c", script],
      { environment: { TSPOD_ROOTFS: rootfs } },
    );
  const giveAway = (path: string) => ok("unshare", "chown", "5000:5000", path);

  test("is not read in it", async () => {
    const root = await directory();
    chmodSync(join(root, "etc/passwd"), 0o600);
    await giveAway(join(root, "etc/passwd"));
    for (const form of [root, `${root}:O`]) {
      const { exitCode, stderr } = await run(form, "overlay", "cat /etc/passwd");
      expect({ exitCode, stderr }).toEqual({
        exitCode: 1,
        stderr: expect.stringContaining("/etc/passwd': Permission denied"),
      });
    }
  });

  test("is named where it has to be copied or looked into, and nothing is left", async () => {
    const root = await directory();
    const closed = join(root, "closed");
    mkdirSync(closed, { mode: 0o700 });
    await giveAway(closed);
    const { exitCode, stderr } = await run(`${root}:O`, "copy", "true");
    expect(stderr).toBe(
      `Error: Cannot start the container: you may not read "closed" of "${root}"\n` +
        "  a root that is copied you must be able to read: change its owner or mode\n",
    );
    expect(exitCode).toBe(125);
    for (const form of [closed, `${closed}:O`]) {
      const refused = await run(form, "overlay", "true");
      expect(refused.exitCode).toBe(125);
      expect(refused.stderr).toMatch(
        /^Error: .*not even root in it may open "\/.*\n {2}of --rootfs,/,
      );
    }
    expect(await ok("ps", "-aq")).toBe("");
    expect(readdirSync(join(shared.world.root, "data/containers"))).toEqual([]);
  });
});
