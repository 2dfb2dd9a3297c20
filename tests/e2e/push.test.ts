/** push to the real docker-registry, and back: by tspod, and by skopeo. */
import { afterAll, beforeAll, describe, expect } from "bun:test";
import { chmodSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { sharedRegistry } from "../support/debian-registry.ts";
import { program, registryPrograms, testWith } from "../support/requirements.ts";
import { expectSentence } from "../support/sentence.ts";
import { startSecuredRegistry, user } from "../support/secured-registry.ts";
import { tarOf } from "../support/oci-image.ts";
import { atTerminal } from "../support/terminal.ts";
import { startUploadRegistry } from "../support/upload-registry.ts";
import { makeWorld, type Result, type World } from "../support/world.ts";

const test = testWith(...registryPrograms);
const testSecured = testWith(...registryPrograms, program("openssl"));
const canRun = registryPrograms.every((requirement) => requirement() === undefined);

let world: World;
let address = "";
/** No name is used by two runs: the registry may be shared with others. */
const mine = `push-${process.pid}-${Date.now()}`;

beforeAll(async () => {
  if (!canRun) return;
  ({ address } = await sharedRegistry());
  world = await makeWorld({ images: ["tiny", "layered"] });
}, 60_000);

afterAll(async () => {
  await world?.[Symbol.asyncDispose]();
}, 60_000);

interface Manifest {
  mediaType: string;
  config: { mediaType: string; digest: string };
  layers: { mediaType: string; digest: string; size: number }[];
}

interface Fetched {
  manifest: Manifest;
  digest: string;
}

async function fetchManifest(name: string, tag: string): Promise<Fetched> {
  const accept = [
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
  ].join(", ");
  const answer = await fetch(`http://${address}/v2/${name}/manifests/${tag}`, {
    headers: { accept },
  });
  return {
    manifest: (await answer.json()) as Manifest,
    digest: answer.headers.get("docker-content-digest") ?? "",
  };
}

/** What somebody else gets of it, run. */
async function runElsewhere(name: string, ...words: string[]): Promise<string> {
  await using other = await makeWorld();
  return other.ok("run", "--rm", "--quiet", name, ...words);
}

describe("push", () => {
  test("what was pulled has the same digest, and nothing is sent twice", async () => {
    const to = `${address}/${mine}/same:1`;
    const first = await world.tspod([
      "push",
      "--digestfile",
      join(world.home, "digest"),
      "layered",
      to,
    ]);
    expect(first.exitCode).toBe(0);
    expect(first.stderr).toContain(`Pushing ${to}`);
    expect(first.stderr.match(/ done \(/g)?.length).toBe(2);
    const pulled = await fetchManifest("library/layered", "latest");
    const pushed = await fetchManifest(`${mine}/same`, "1");
    expect(pushed).toEqual(pulled);
    expect(first.stdout).toContain(`1: digest: ${pulled.digest} size: `);
    expect(readFileSync(join(world.home, "digest"), "utf8")).toBe(pulled.digest);
    const again = await world.tspod(["push", "layered", `docker://${to}`]);
    expect(again.stderr.match(/ already there/g)?.length).toBe(2);
    expect(await world.tspod(["push", "-q", "layered", to])).toEqual({
      ...{ exitCode: 0, stdout: "", stderr: "" },
    });
    const seen = await Bun.$`skopeo inspect --tls-verify=false docker://${to}`.quiet().json();
    expect((seen as { Digest: string }).Digest).toBe(pulled.digest);
    expect(await runElsewhere(to, "cat", "/data/kept")).toBe("two");
  });

  test("a layer that the registry has in another repository is mounted", async () => {
    const name = `${address}/library/tiny`;
    await world.ok("pull", "-q", name);
    const { stderr } = await world.tspod(["push", name, `${address}/${mine}/mounted`]);
    expect(stderr).toContain("in another repository");
    expect(await runElsewhere(`${address}/${mine}/mounted`, "echo", "ok")).toBe("ok");
  });

  test("images that were made here: by import and by commit, in both formats", async () => {
    const tar = join(world.home, "made.tar");
    writeFileSync(tar, await tarOf([{ path: "hello.txt", content: "hello" }]));
    await world.ok("import", tar, "made:1");
    await world.ok("push", "-q", "made:1", `${address}/${mine}/made:1`);
    expect((await fetchManifest(`${mine}/made`, "1")).manifest.mediaType).toContain("oci");
    await world.ok("run", "--name", "worker", "tiny", "sh", "-c", "echo more > /more");
    await world.ok(
      "commit",
      "-q",
      "--format",
      "docker",
      "worker",
      `${address}/${mine}/committed:1`,
    );
    await world.ok("push", "-q", `${address}/${mine}/committed:1`);
    const { manifest } = await fetchManifest(`${mine}/committed`, "1");
    expect(manifest.mediaType).toContain("docker");
    expect(await runElsewhere(`${address}/${mine}/committed:1`, "cat", "/more")).toBe("more");
  });

  test.each([
    [["--format", "v2s2"], /docker.distribution.manifest/, /rootfs.diff.tar.gzip$/],
    [["--compression-format", "zstd"], /oci.image.manifest/, /tar\+zstd$/],
    [["--compression-format", "none"], /oci.image.manifest/, /v1\.tar$/],
    [["--compression-level", "9"], /oci.image.manifest/, /tar\+gzip$/],
    [["--format", "v2s2", "--force-compression"], /docker.distribution/, /diff.tar.gzip$/],
  ])("%j", async (flags, manifestType, layerType) => {
    const name = `${mine}/converted`;
    const tag = flags.join("").replace(/\W/g, "");
    const before = await fetchManifest("library/layered", "latest");
    await world.ok("push", "-q", ...flags, "layered", `${address}/${name}:${tag}`);
    const { manifest, digest } = await fetchManifest(name, tag);
    expect(digest).not.toBe(before.digest);
    expect(manifest.mediaType).toMatch(manifestType);
    for (const layer of manifest.layers) expect(layer.mediaType).toMatch(layerType);
    expect(manifest.config.digest).toBe(before.manifest.config.digest);
    expect(await runElsewhere(`${address}/${name}:${tag}`, "cat", "/data/kept")).toBe("two");
  });

  test("an id, or a name that was made up here, wants a destination", async () => {
    const id = await world.ok("commit", "-q", "worker", "unsent");
    expectSentence(await world.tspod(["push", id]), "is an id", "REGISTRY/NAME");
    expectSentence(await world.tspod(["push", "unsent"]), "no registry", "REGISTRY/NAME");
    await world.ok("push", "-q", id.slice(0, 12), `${address}/${mine}/by-id`);
  });

  test("--all-tags: every name of the repository", async () => {
    const name = `${address}/${mine}/tags`;
    for (const tag of ["a", "b"]) await world.ok("commit", "-q", "worker", `${name}:${tag}`);
    const { exitCode, stdout } = await world.tspod(["push", "--all-tags", name]);
    expect([exitCode, stdout.match(/^[ab]: digest: sha256:/gm)?.length]).toEqual([0, 2]);
    expectSentence(await world.tspod(["push", "-a", `${name}:a`]), "without a tag");
    expectSentence(await world.tspod(["push", "-a", `${address}/nobody/none`]), "no image");
  });

  test("a terminal sees how far it is", async () => {
    await using session = atTerminal(world, [
      ...["push", "--compression-format", "none", "tiny", `${address}/${mine}/seen`],
    ]);
    await session.sees(/\d+(\.\d+)? ?[kKM]i?B/);
    expect(await session.exit()).toBe(0);
  });

  test.each([
    [["push", "nothing-here"], "nothing-here"],
    [["push", "tiny", "oci:/tmp/x"], "tspod save"],
    [["push", "tiny", "docker-archive:x.tar"], "tspod save"],
    [["push", "tiny", "x.example/Y"], "lower case"],
    [["push", "tiny", `x.example/y@sha256:${"a".repeat(64)}`], "digest is not given"],
    [["push", "--format", "v2s1", "tiny", "x.example/y"], "schema 1"],
    [
      ["push", "--format", "v2s2", "--compression-format", "zstd", "tiny", "x.example/y"],
      "no zstd",
    ],
    [["push", "--compression-level", "10", "tiny", "x.example/y"], "1 to 9"],
    [["push", "--compression-format", "xz", "tiny", "x.example/y"], "gzip, zstd, none"],
    [["push", "--sign-by", "me", "tiny", "x.example/y"], "sign"],
    [["push", "tiny", "127.0.0.1:9/x"], "127.0.0.1:9"],
  ])("%j is refused", async (words, why) => {
    expectSentence(await world.tspod(words), why);
  });
});

describe("what goes wrong", () => {
  test("a blob that is gone here is named; a registry that has it does not need it", async () => {
    await using own = await makeWorld({ images: ["tiny"] });
    await own.ok("push", "-q", "tiny", `${address}/${mine}/gone:1`);
    const { manifest } = await fetchManifest(`${mine}/gone`, "1");
    const hex = manifest.layers[0]?.digest.replace("sha256:", "") ?? "";
    rmSync(join(own.root, "data/blobs/sha256", hex));
    await own.ok("push", "-q", "tiny", `${address}/${mine}/gone:2`);
    await using elsewhere = await startUploadRegistry();
    const result = await own.tspod(["push", "tiny", `${elsewhere.address}/x:1`]);
    expectSentence(result, hex, "missing here", "pull the image again");
  });

  test("kill -9 in the middle: the next push ends it, nothing is left", async () => {
    await using stalling = await startUploadRegistry({
      script: ({ method, count }) =>
        method === "PUT" && count === 1 ? { breakAfter: 1000 } : undefined,
    });
    const words = ["push", "--compression-format", "zstd", "tiny", `${stalling.address}/x:1`];
    const child = world.start(words);
    while (stalling.requests.every(({ method }) => method !== "PUT")) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    child.kill("SIGKILL");
    await child.exited;
    await world.ok(...words);
    expect(stalling.manifests.size).toBe(1);
    const left = await Bun.$`ls ${join(world.root, "data/ingest")}`.quiet().text();
    expect(left).toBe("");
  });

  test("a registry that knows only one format gets that one, unless another was asked for", async () => {
    const script = (method: string, path: string, isFirst: boolean) =>
      method === "PUT" && path.includes("/manifests/") && isFirst ? { status: 415 } : undefined;
    const pushWith = async (...flags: string[]): Promise<[Result, string[]]> => {
      let manifests = 0;
      await using picky = await startUploadRegistry({
        script: ({ method, path }) =>
          path.includes("/manifests/") ? script(method, path, ++manifests === 1) : undefined,
      });
      const result = await world.tspod(["push", ...flags, "layered", `${picky.address}/x:1`]);
      return [result, [...picky.manifests.values()].map(({ type }) => type)];
    };
    const [result, types] = await pushWith();
    expect(result.exitCode).toBe(0);
    expect(result.stderr).toContain("takes only docker manifests");
    expect(types).toEqual(["application/vnd.docker.distribution.manifest.v2+json"]);
    expectSentence((await pushWith("--format", "oci"))[0], "415");
  });

  testSecured("a password and a token, for the right scopes, once", async () => {
    using tokens = await startSecuredRegistry("token");
    const creds = `${user.name}:${user.password}`;
    await world.ok("push", "-q", "--creds", creds, "layered", `${tokens.address}/team/new:1`);
    expect(tokens.tokenRequests.length).toBe(1);
    expect(tokens.tokenRequests[0]?.scope).toBe("repository:team/new:pull,push");
    using secured = await startSecuredRegistry("password");
    const to = `${secured.address}/team/new:1`;
    expectSentence(await world.tspod(["push", "tiny", to]), `tspod login ${secured.address}`);
    const path = join(world.home, "somewhere.json");
    const auth = Buffer.from(creds).toString("base64");
    writeFileSync(path, JSON.stringify({ auths: { [secured.address]: { auth } } }));
    chmodSync(path, 0o600);
    await world.ok("push", "-q", "--authfile", path, "tiny", to);
  });
});
