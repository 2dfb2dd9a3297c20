/** Images as a user meets them: pull, images, rmi, layers laid over each other, the real Alpine and busybox. */
import { describe, expect } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { realImages, registryPrograms, testWith } from "../support/requirements.ts";
import { sharedRegistry } from "../support/debian-registry.ts";
import { atTerminal } from "../support/terminal.ts";
import { makeWorld } from "../support/world.ts";

const test = testWith(...registryPrograms);
const withRealImages = testWith(...registryPrograms, realImages);

describe("pull", () => {
  test("prints what it does on standard error and the image's id as its result", async () => {
    await using world = await makeWorld();
    const { exitCode, stdout, stderr } = await world.tspod(["pull", "tiny"]);
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^(sha256:)?[0-9a-f]{64}\n$/);
    expect(stderr).toContain("docker.io/library/tiny:latest");
    expect(stderr).not.toContain("\u001b");
    expect(await world.tspod(["pull", "-q", "tiny"])).toEqual({ exitCode: 0, stdout, stderr: "" });
  });

  test("on a terminal there is progress with sizes", async () => {
    await using world = await makeWorld();
    await using session = atTerminal(world, ["pull", "tiny"]);
    await session.sees(/\d+(\.\d+)? ?[kKM]i?B/);
    expect(await session.exit()).toBe(0);
  });

  test("by digest, by full name, by tag", async () => {
    await using world = await makeWorld();
    const { address } = await sharedRegistry();
    const accept = "application/vnd.oci.image.manifest.v1+json";
    const answer = await fetch(`http://${address}/v2/library/tiny/manifests/latest`, {
      headers: { accept },
    });
    const digest = answer.headers.get("docker-content-digest");
    const id = await world.ok("pull", "-q", `tiny@${digest}`);
    expect(await world.ok("pull", "-q", "docker.io/library/tiny:latest")).toBe(id);
    expect(await world.ok("run", "--rm", `tiny@${digest}`, "echo", "pinned")).toBe("pinned");
  });

  test("one layer is stored once, however many images use it", async () => {
    await using world = await makeWorld({ images: ["tiny", "configured", "commandless"] });
    expect(readdirSync(join(world.root, "data/layers"))).toHaveLength(2);
  });

  test("run pulls what is missing and says so, then is silent", async () => {
    await using world = await makeWorld();
    const first = await world.tspod(["run", "--rm", "tiny", "echo", "x"]);
    expect(first.stdout).toBe("x\n");
    expect(first.stderr).toContain("tiny");
    expect(await world.tspod(["run", "--rm", "tiny", "echo", "x"])).toEqual({
      exitCode: 0,
      stdout: "x\n",
      stderr: "",
    });
  });
});

describe("layers", () => {
  test("whiteouts remove, opaque directories hide, files replace", async () => {
    await using world = await makeWorld({ images: ["layered"] });
    const script = "ls /data; cat /data/kept; echo; ls /hidden";
    expect(await world.ok("run", "--rm", "layered", "sh", "-c", script)).toBe("kept\ntwo\nnew");
  });
});

describe("images and rmi", () => {
  test("images lists names, ids and sizes", async () => {
    await using world = await makeWorld({ images: ["tiny", "configured"] });
    const table = await world.ok("images");
    expect(table.split("\n")[0]).toMatch(/^REPOSITORY\s+TAG\s+IMAGE ID\s+CREATED\s+SIZE$/);
    expect(table).toMatch(/^tiny\s+latest\s+[0-9a-f]{12}\s.*[\d.]+ ?[kM]B$/m);
    expect((await world.ok("images", "-q")).split("\n")).toHaveLength(2);
  });

  test("rmi removes the name, then the image and its layers", async () => {
    await using world = await makeWorld({ images: ["tiny", "layered"] });
    expect(await world.ok("rmi", "tiny")).toContain("tiny");
    expect(await world.ok("images", "--format", "{{.Repository}}")).toBe("layered");
    await world.ok("rmi", "layered");
    expect(await world.ok("images", "-q")).toBe("");
    expect(readdirSync(join(world.root, "data/layers"))).toEqual([]);
    expect(readdirSync(join(world.root, "data/blobs/sha256"))).toEqual([]);
  });

  test("rmi of what is used is refused with the container's name", async () => {
    await using world = await makeWorld({ images: ["tiny"] });
    await world.ok("create", "--name", "user", "tiny", "true");
    const { exitCode, stderr } = await world.tspod(["rmi", "tiny"]);
    expect(exitCode).not.toBe(0);
    expect(stderr).toMatch(/user|[0-9a-f]{12}/);
    await world.ok("rm", "user");
    await world.ok("rmi", "tiny");
  });
});

describe("hello", () => {
  test("runs with no registry", async () => {
    await using world = await makeWorld({ registriesConf: "unqualified-search-registries = []\n" });
    const { exitCode, stdout, stderr } = await world.tspod(["run", "--rm", "hello"]);
    expect(exitCode).toBe(0);
    expect(stderr).toBe("");
    expect(stdout).toContain("root (uid 0) in here");
    expect(stdout).toContain(`uid ${process.getuid?.()} outside`);
    expect(stdout).toMatch(/separate +user, pid, mount, net, uts, ipc, cgroup/);
    const took = Number(/took +(\d+) ms/.exec(stdout)?.[1]);
    expect(took).toBeGreaterThan(0);
    expect(took).toBeLessThan(10_000);
  });
});

describe("the real thing", () => {
  withRealImages("Alpine: a shell, its package manager, its users", async () => {
    await using world = await makeWorld();
    const script =
      "cat /etc/alpine-release; apk --version | cut -d' ' -f1; stat -c %U:%G:%a /etc/shadow";
    expect(await world.ok("run", "--rm", "alpine", "sh", "-c", script)).toBe(
      "3.20.3\napk-tools\nroot:shadow:640",
    );
    expect(await world.ok("run", "--rm", "alpine:3.20", "apk", "info")).toContain("musl");
  });

  withRealImages("busybox: hard links and foreign ids", async () => {
    await using world = await makeWorld({ images: ["busybox"] });
    const script =
      "stat -c %h /bin/ls | awk '{print ($1 > 100)}'; ls -dn /var/spool/mail /home | awk '{print $3}'";
    expect(await world.ok("run", "--rm", "busybox", "sh", "-c", script)).toBe("1\n65534\n8");
  });

  withRealImages("--platform: arm64 beside amd64", async () => {
    await using world = await makeWorld();
    const other = process.arch === "x64" ? "linux/arm64" : "linux/amd64";
    await world.ok("pull", "-q", "--platform", other, "alpine");
    const [image] = JSON.parse(await world.ok("inspect", "alpine"));
    expect(`linux/${image.Architecture}`).toBe(other);
  });
});
