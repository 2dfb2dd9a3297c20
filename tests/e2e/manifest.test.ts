/** Manifest lists: made of images here and in registries, pushed, and pulled by somebody else for their platform. */
import { afterAll, beforeAll, describe, expect } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { sharedRegistry } from "../support/debian-registry.ts";
import { registryPrograms, testWith } from "../support/requirements.ts";
import { expectSentence } from "../support/sentence.ts";
import { makeWorld, type World } from "../support/world.ts";

const test = testWith(...registryPrograms);
const canRun = registryPrograms.every((requirement) => requirement() === undefined);

let world: World;
let address = "";
const mine = `list-${process.pid}-${Date.now()}`;

beforeAll(async () => {
  if (!canRun) return;
  ({ address } = await sharedRegistry());
  world = await makeWorld({ images: ["tiny"] });
}, 60_000);

afterAll(async () => {
  await world?.[Symbol.asyncDispose]();
}, 60_000);

interface Index {
  mediaType: string;
  manifests: {
    digest: string;
    mediaType: string;
    platform: Record<string, unknown>;
    annotations?: Record<string, string>;
  }[];
  annotations?: Record<string, string>;
}

const inspect = async (name: string): Promise<Index> =>
  JSON.parse(await world.ok("manifest", "inspect", name)) as Index;

describe("manifest", () => {
  test("a list of what is here and what is in a registry, pushed and pulled", async () => {
    const elsewhere = `docker://${address}/library/elsewhere`;
    expect(await world.ok("manifest", "create", "app:1", "tiny")).toBe("localhost/app:1");
    const added = await world.ok("manifest", "add", "--all", "app:1", elsewhere);
    expect(added.split("\n").length).toBe(2);
    const to = `${address}/${mine}/app:1`;
    const digest = await world.ok("manifest", "push", "-q", "app:1", `docker://${to}`);
    const nowhere = ["--digestfile", join(world.home, "none/digest"), "app:1", to];
    expectSentence(
      await world.tspod(["manifest", "push", "-q", ...nowhere]),
      /pushed, but .*ENOENT/,
    );
    await world.ok(
      "manifest",
      "push",
      "-q",
      "--digestfile",
      join(world.home, "digest"),
      "app:1",
      to,
    );
    expect(readFileSync(join(world.home, "digest"), "utf8")).toBe(digest);
    const raw = await Bun.$`skopeo inspect --raw --tls-verify=false docker://${to}`.quiet().text();
    const index = JSON.parse(raw) as Index;
    expect(`sha256:${new Bun.CryptoHasher("sha256").update(raw).digest("hex")}`).toBe(digest);
    expect(index.manifests.map(({ platform }) => platform.architecture)).toEqual([
      process.arch === "x64" ? "amd64" : "arm64",
      "s390x",
      "riscv64",
    ]);
    expect(await inspect(`docker://${to}`)).toEqual(index);
    await using other = await makeWorld();
    expect(await other.ok("run", "--rm", "--quiet", to, "echo", "ok")).toBe("ok");
    await other.ok("pull", "-q", "--platform", "linux/s390x", to);
    await other.ok("pull", "-q", "--all-platforms", to);
    expect(
      (await other.ok("images", "-q", "--no-trunc")).split("\n").length,
    ).toBeGreaterThanOrEqual(3);
  });

  test("annotate, remove, exists, --amend, docker's format, rm", async () => {
    await world.ok("manifest", "create", "--annotation", "a=b", "list", "tiny");
    expectSentence(await world.tspod(["manifest", "create", "list"]), "already", "--amend");
    await world.ok("manifest", "create", "--amend", "list", `docker://${address}/library/layered`);
    const words = [
      "--arch",
      "arm",
      "--variant",
      "v7",
      "--os-features",
      "x,y",
      "--annotation",
      "k=v=w",
    ];
    await world.ok("manifest", "annotate", ...words, "list", "tiny");
    const before = await inspect("list");
    expect(before.annotations).toEqual({ a: "b" });
    expect(before.manifests[0]).toMatchObject({
      platform: { os: "linux", architecture: "arm", "os.features": ["x", "y"] },
      annotations: { k: "v=w" },
    });
    const layered = before.manifests[1]?.digest ?? "";
    const to = `${address}/${mine}/docker:1`;
    await world.ok("manifest", "push", "-q", "--format", "v2s2", "list", to);
    const docker = await inspect(`docker://${to}`);
    expect(docker.mediaType).toContain("manifest.list.v2");
    expect(docker.annotations).toBeUndefined();
    await world.ok("manifest", "remove", "list", layered);
    expect((await inspect("list")).manifests.length).toBe(1);
    expectSentence(await world.tspod(["manifest", "remove", "list", layered]), layered);
    await world.ok("manifest", "exists", "list");
    await world.ok("manifest", "annotate", "--index", "--annotation", "a.b=of the list", "list");
    const noted = JSON.parse(await world.ok("manifest", "inspect", "-v", "list"));
    expect(noted.annotations).toEqual({ a: "b", "a.b": "of the list" });
    expect(await world.ok("manifest", "rm", "list")).toBe("list");
    expect(await world.ok("manifest", "rm", "-i", "list")).toBe("");
    expect((await world.tspod(["manifest", "exists", "list"])).exitCode).toBe(1);
  });

  test("an image that is gone is named; the list is not pushed", async () => {
    await using own = await makeWorld({ images: ["tiny"] });
    await own.ok("manifest", "create", "gone", "tiny");
    await own.ok("rmi", "tiny");
    expectSentence(
      await own.tspod(["manifest", "push", "gone", `${address}/${mine}/gone`]),
      "image",
    );
    expectSentence(await own.tspod(["manifest", "inspect", `${address}/${mine}/gone`]), "gone");
  });

  test("ten at once add to a list: all are in it", async () => {
    await world.ok("manifest", "create", "many");
    const names = ["tiny", "layered", "configured", "volumes", "strange"];
    const results = await Promise.all(
      names.map((name) =>
        world.tspod(["manifest", "add", "many", `docker://${address}/library/${name}`]),
      ),
    );
    expect(results.map(({ exitCode }) => exitCode)).toEqual(names.map(() => 0));
    expect((await inspect("many")).manifests.length).toBe(names.length);
  });

  test.each([
    [["add", "none", "tiny"], "none"],
    [["create", "Bad Name"], "Bad Name"],
    [["add", "many", "nothing-of-that-name"], "nothing-of-that-name"],
    [["annotate", "--annotation", "x", "many", "tiny"], "KEY=VALUE"],
    [["annotate", "--annotation", "x=y", "many"], "--index is for the list itself"],
    [["annotate", "--index", "--annotation", "x=y", "none"], 'no manifest list "localhost/none'],
    [["add", "--artifact", "many", "file"], "tspod artifact push"],
    [["push", "--format", "v1", "many", "x.example/y"], "oci or v2s2"],
    [["push", "many", `x.example/y@sha256:${"a".repeat(64)}`], "digest"],
    [["rm", "none"], "none"],
  ])("%j is refused", async (words, why) => {
    expectSentence(await world.tspod(["manifest", ...words]), why);
  });
});
