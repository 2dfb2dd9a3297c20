/** Images by their names: tag, untag, images with its filters, history, tree, rmi, prune; and the layout others read. */
import { describe, expect } from "bun:test";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { registryPrograms, testWith } from "../support/requirements.ts";
import { sharedWorld } from "../support/shared-world.ts";
import { makeWorld, type World } from "../support/world.ts";

const test = testWith(...registryPrograms);
const shared = sharedWorld({ images: ["tiny", "layered", "configured"] });
const ok = (...words: string[]) => shared.world.ok(...words);

/** Status 125 or another, and a sentence. */
async function refused(world: World, words: string[], sentence: RegExp, status = 125) {
  const { exitCode, stderr } = await world.tspod(words);
  expect([exitCode, stderr]).toEqual([status, expect.stringMatching(sentence)]);
  expect(stderr).not.toMatch(/\n\s+at /);
}

const names = (...words: string[]) =>
  ok("images", "--format", "{{.Repository}}:{{.Tag}}", ...words).then((text) =>
    text.split("\n").sort().join(" "),
  );

describe("tag and untag", () => {
  test("names come, move and go; the image stays", async () => {
    await using world = await makeWorld({ images: ["tiny", "layered"] });
    const id = await world.ok("images", "-q", "--no-trunc", "tiny");
    await world.ok("tag", "tiny", "mine", "registry.example.org:5000/team/app:1");
    const mine = await world.ok("inspect", "--format", "{{.Id}}", "localhost/mine:latest");
    expect(mine).toBe(id);
    await world.ok("image", "tag", "layered", "mine:latest");
    expect(await world.ok("inspect", "--format", "{{.Id}}", "mine")).not.toBe(id);
    await world.ok("untag", "layered", "mine");
    await world.ok("untag", "tiny");
    expect(await world.ok("images", "-f", "dangling=true", "--no-trunc", "-q")).toBe(id);
    await world.ok("tag", id.slice(7, 19), "again");
    expect(await world.ok("run", "--rm", "again", "echo", "x")).toBe("x");
    const events = await world.ok("events", "--since", "1h", "--until", "0s", "--format", "{{.Status}} {{.Name}}"); // prettier-ignore
    expect(events).toContain("tag localhost/mine:latest");
    expect(events).toContain("untag registry.example.org:5000/team/app:1");
  });

  test.each([
    [["tag", "tiny"], /at least 2/],
    [["tag", "nothing", "x"], /nothing/],
    [["tag", "tiny", "UPPER"], /lower case/],
    [["tag", "tiny", `x@sha256:${"0".repeat(64)}`], /digest/],
    [["untag", "tiny", "layered"], /no name of this image/],
    [["history", "nothing"], /nothing/],
    [["images", "-f", "nothing=1"], /Unknown filter "nothing"/],
    [["images", "-f", "dangling=perhaps"], /true or false/],
    [["images", "-f", "reference=[z-a]"], /pattern/],
    [["images", "-f", "before=nothing"], /nothing/],
    [["images", "--sort", "colour"], /colour/],
    [["rmi"], /needs an image/],
    [["rmi", "-a", "tiny"], /--all/],
    [["image", "prune", "--filter", "until=x"], /until/],
  ])("%p is refused", (words, sentence) => refused(shared.world, words, sentence));
});

describe("images", () => {
  test("filters as docker and podman do", async () => {
    await ok("tag", "tiny", "localhost/filtered/one:3.1", "with-dash.and_more");
    expect(await names("-f", "reference=with-d*")).toBe("localhost/with-dash.and_more:latest");
    expect(await names("with-[^x-z]ash.and_more")).toBe("localhost/with-dash.and_more:latest");
    await ok("untag", "tiny", "with-dash.and_more");
    expect(await names("-f", "reference=t*")).toBe("tiny:latest");
    expect(await names("-f", "reference=filtered/*:3.?")).toBe("localhost/filtered/one:3.1");
    expect(await names("-f", "reference=*")).not.toContain("filtered");
    expect(await names("docker.io/library/tiny")).toBe("tiny:latest");
    expect(await names("lay*")).toBe("layered:latest");
    expect(await names("-f", "label=org.example.from=image")).toBe("configured:latest");
    expect(await names("-f", "label!=org.example.from", "lay*")).toBe("layered:latest");
    expect(await names("-f", "dangling=true")).toBe("");
    expect(await names("-f", "readonly=false", "tiny")).toBe("tiny:latest");
    expect(await names("-f", "until=2000-01-01")).toBe("");
    expect(await names("-f", "until=1h", "tiny")).toBe("tiny:latest");
    const id = await ok("images", "-q", "tiny");
    expect(await names("-f", `id=${id}`, "tiny")).toBe("tiny:latest");
    await ok("rmi", "localhost/filtered/one:3.1");
  });

  test("sorts, hides headings, tells digests", async () => {
    const sorted = await ok("images", "--sort", "repository", "--format", "{{.Repository}}");
    expect(sorted).toBe("configured\nlayered\ntiny");
    expect(await ok("images", "-n", "tiny")).toMatch(/^tiny +latest +[0-9a-f]{12} /);
    const table = await ok("images", "--digests", "--no-trunc", "tiny");
    expect(table).toMatch(/DIGEST +IMAGE ID/);
    expect(table).toMatch(/sha256:[0-9a-f]{64} +sha256:[0-9a-f]{64}/);
  });

  test("tells templates what podman's say too", async () => {
    const format = "{{.Created}}|{{.RepoTags}}|{{.RepoDigests}}|{{.History}}|{{.SharedSize}}";
    const name = "docker.io/library/tiny";
    expect(await ok("images", "--format", format, "tiny")).toMatch(
      new RegExp(`ago\\|\\[${name}:latest\\]\\|\\[${name}@sha256:[0-9a-f]{64}\\]\\|\\[${name}:latest\\]\\|N/A$`), // prettier-ignore
    );
    expect(await ok("history", "--format", "{{.Created}}|{{.Tags}}", "tiny")).toMatch(
      new RegExp(`ago\\|\\[${name}:latest\\]$`),
    );
  });

  test("tells how many containers stand on each", async () => {
    const id = await ok("create", "tiny", "true");
    await ok("create", "--name", "both", "-v", "/x", "--mount", "type=image,src=layered,dst=/i", "tiny", "true"); // prettier-ignore
    const counted = await ok("images", "--format", "{{.Repository}} {{.Containers}}");
    expect(counted.split("\n").sort()).toEqual(["configured 0", "layered 1", "tiny 2"]);
    await ok("rm", id, "both");
  });

  test("as a tree", async () => {
    const tree = await ok("images", "--tree");
    expect(tree).toMatch(/^ID: [0-9a-f]{12} Size: [\d.]+[kM]B Top Layer of: \[.*tiny:latest/);
    expect(tree).toMatch(/└── ID: [0-9a-f]{12} Size: \S+ Top Layer of: \[configured:latest\]/);
    const one = await ok("image", "tree", "configured");
    expect(one.split("\n").slice(1)).toEqual([
      "Tags:     [configured:latest]",
      expect.stringMatching(/^Size: {5}/),
      "Image Layers",
      expect.stringMatching(/^├── ID: .* Top Layer of: \[.*tiny:latest/),
      expect.stringMatching(/^└── ID: .* Top Layer of: \[configured:latest\]$/),
    ]);
    expect(await ok("image", "tree", "--whatrequires", "tiny")).toContain("configured:latest");
  });
});

test("history tells the steps with their sizes", async () => {
  const table = (await ok("history", "layered")).split("\n");
  expect(table[0]).toMatch(/^IMAGE +CREATED +CREATED BY +SIZE +COMMENT$/);
  expect(table[1]).toMatch(/^[0-9a-f]{12} .*literal/);
  expect(table[2]).toMatch(/^<missing> .*literal +[\d.]+[kM]B/);
  const [top] = (await ok("history", "--no-trunc", "-q", "layered")).split("\n");
  expect(top).toMatch(/^sha256:[0-9a-f]{64}$/);
  const exact = await ok(
    "history",
    "--human=false",
    "--format",
    "{{.CreatedAt}} {{.Size}}",
    "tiny",
  );
  expect(exact).toMatch(/^2024-01-01T00:00:00.000Z \d{6,}$/);
});

test("image exists and image inspect", async () => {
  expect((await shared.world.tspod(["image", "exists", "tiny"])).exitCode).toBe(0);
  expect((await shared.world.tspod(["image", "exists", "nothing"])).exitCode).toBe(1);
  const [image] = JSON.parse(await ok("image", "inspect", "configured"));
  expect(image).toMatchObject({
    RepoTags: ["docker.io/library/configured:latest"],
    GraphDriver: { Name: "overlay", Data: { LowerDir: expect.stringMatching(/\/diff$/) } },
    History: [{ created_by: "literal" }, { created_by: "literal" }],
    Labels: { "org.example.from": "image" },
  });
});

test("image diff tells what the topmost layer changes", async () => {
  const told = await ok("image", "diff", "layered");
  expect(told.split("\n")).toEqual([
    ...["C /data", "D /data/gone", "C /data/kept", "C /hidden", "A /hidden/new"],
  ]);
  expect(await ok("diff", "layered")).toBe(told);
  const json = JSON.parse(await ok("image", "diff", "--format", "json", "layered"));
  expect(json.added).toEqual(["/hidden/new"]);
  expect(await ok("image", "diff", "tiny")).toContain("A /bin/busybox");
});

describe("rmi", () => {
  test("names every container that is in the way; the status tells which it was", async () => {
    await using world = await makeWorld({ images: ["tiny"] });
    await world.ok("create", "--name", "one", "tiny", "true");
    await world.ok("create", "--name", "two", "tiny", "true");
    await refused(world, ["rmi", "tiny"], /containers "one", "two" stand on it/, 2);
    await refused(world, ["rmi", "nothing"], /nothing/, 1);
    await world.ok("rmi", "--ignore", "nothing");
    await world.ok("tag", "tiny", "second");
    await refused(world, ["rmi", "-a"], /"one", "two"/, 2);
    await world.ok("rm", "one", "two");
    expect(await world.ok("rmi", "-a", "--no-prune")).toMatch(/Untagged: .*\n.*\nDeleted: sha256:/);
    expect(await world.ok("images", "-q")).toBe("");
  });
});

describe("image prune", () => {
  test("tells what it frees before and after: layers that others have do not count", async () => {
    await using world = await makeWorld({ images: ["tiny", "configured"] });
    await world.ok("untag", "configured");
    const dry = await world.ok("image", "prune", "--dry-run");
    expect(dry).toMatch(
      /^Would delete images:\ndeleted: sha256:\w+\n\nWould reclaim space: [\d.]+kB$/,
    );
    expect(await world.ok("images", "-q")).toContain("\n");
    const done = await world.ok("image", "prune", "-f");
    expect(done.replace("Deleted Images", "Would delete images")).toBe(
      dry.replace("Would reclaim", "Total reclaimed"),
    );
    expect(await world.ok("run", "--rm", "tiny", "echo", "x")).toBe("x");
    const none = await world.ok("image", "prune", "-f", "-a", "--filter", "label=nothing");
    expect(none).toBe("Total reclaimed space: 0B");
    expect(await world.ok("image", "prune", "-f", "-a")).toMatch(/reclaimed space: [\d.]+MB$/);
    expect(await world.ok("images", "-q")).toBe("");
  });

  test("agrees with df about what is there, and leaves what a manifest list has", async () => {
    await using world = await makeWorld({ images: ["tiny", "layered"] });
    const reclaimable = async (): Promise<string> => {
      const rows = await world.ok("system", "df", "--format", "{{.Type}} {{.Reclaimable}}");
      return /^Images (\S+)/.exec(rows)?.[1] ?? "";
    };
    const foreseen = async (): Promise<string> =>
      /space: (\S+)$/.exec(await world.ok("image", "prune", "--dry-run", "--all"))?.[1] ?? "";
    const all = await reclaimable();
    expect(all).toMatch(/^[\d.]+MB$/);
    expect(await foreseen()).toBe(all);
    await world.ok("manifest", "create", "list", "tiny");
    const rest = await reclaimable();
    expect(await foreseen()).toBe(rest);
    expect(await world.ok("image", "prune", "-af")).toEndWith(`Total reclaimed space: ${rest}`);
    expect(await world.ok("images", "--format", "{{.Repository}}")).toBe("tiny");
    expect(await world.ok("system", "check")).toContain("all is well");
    const id = await world.ok("images", "-q", "--no-trunc");
    await world.ok("rmi", "tiny");
    const lost = await world.tspod(["system", "check"]);
    expect(lost.exitCode).toBe(1);
    expect(lost.stdout).toContain(
      `Manifest list localhost/list:latest has image ${id}, which is not`,
    );
    const [file = ""] = readdirSync(join(world.root, "data/manifests"));
    writeFileSync(join(world.root, "data/manifests", file), "{");
    expect((await world.tspod(["system", "check"])).stdout).toContain(`${file}" is damaged`);
  });

  test("asks first", async () => {
    const { world } = shared;
    const { stdout } = await world.tspod(["image", "prune", "-a"], { stdin: "n\n" });
    expect(stdout).not.toContain("Deleted");
    expect(await names("tiny")).toBe("tiny:latest");
  });
});

describe("the store is an OCI image layout", () => {
  test("skopeo reads what has just been named, and nothing that is gone", async () => {
    await using world = await makeWorld({ images: ["tiny"] });
    const data = join(world.root, "data");
    const see = (name: string) =>
      Bun.$`skopeo inspect --format {{.Digest}} oci:${data}:${name}`.quiet().nothrow();
    await world.ok("tag", "tiny", "named:1");
    const digest = await world.ok("inspect", "--format", "{{.Digest}}", "tiny");
    expect((await see("localhost/named:1")).text().trim()).toBe(digest);
    expect((await see("docker.io/library/tiny:latest")).text().trim()).toBe(digest);
    const copy = join(world.home, "copy");
    await Bun.$`skopeo copy --quiet oci:${data}:localhost/named:1 oci:${copy}:x`.quiet();
    await world.ok("rmi", "named:1");
    expect((await see("localhost/named:1")).exitCode).not.toBe(0);
    await world.ok("rmi", "tiny");
    const index = JSON.parse(readFileSync(join(data, "index.json"), "utf8"));
    expect(index).toMatchObject({ schemaVersion: 2, manifests: [] });
    expect(statSync(join(data, "index.json")).mode & 0o777).toBe(0o600);
  });
});
