/** Tags, referrers and deletion in a registry: a real one, and one that knows more (or less) of the specification. */
import { afterAll, beforeAll, describe, expect } from "bun:test";
import { sharedRegistry } from "../support/debian-registry.ts";
import { faultyRegistry } from "../support/faulty-registry.ts";
import { registryPrograms, testWith } from "../support/requirements.ts";
import { expectSentence } from "../support/sentence.ts";
import { makeWorld, type World } from "../support/world.ts";

const test = testWith(...registryPrograms);
const canRun = registryPrograms.every((requirement) => requirement() === undefined);

let world: World;
let address = "";
const mine = `content-${process.pid}-${Date.now()}`;

beforeAll(async () => {
  if (!canRun) return;
  ({ address } = await sharedRegistry());
  world = await makeWorld({ images: ["tiny", "layered"] });
}, 60_000);

afterAll(async () => {
  await world?.[Symbol.asyncDispose]();
}, 60_000);

const push = (image: string, name: string): Promise<string> =>
  world.ok("push", "-q", image, `${address}/${mine}/${name}`);

describe("registry list-tags", () => {
  test("has what skopeo says, page by page", async () => {
    for (const tag of ["a", "b", "c"]) await push("tiny", `tags:${tag}`);
    const name = `${address}/${mine}/tags`;
    const lines = (await world.ok("registry", "list-tags", name)).split("\n");
    expect(lines.sort()).toEqual(["a", "b", "c"]); // in the registry's order
    const theirs = await Bun.$`skopeo list-tags --tls-verify=false docker://${name}`.quiet().json();
    const ours = await world.ok("registry", "list-tags", "--format=json", `docker://${name}`);
    const sorted = ({ Repository, Tags }: { Repository: string; Tags: string[] }) => ({
      Repository,
      Tags: Tags.toSorted(),
    });
    expect(sorted(JSON.parse(ours))).toEqual(sorted(theirs));
    await using pages = await faultyRegistry(async ({ path }) => {
      const last = new URL(path, "http://x").searchParams.get("last");
      if (!path.includes("/tags/list")) return undefined;
      const tag = { null: "one", one: "two", two: "three" }[String(last)] ?? "";
      const link = `</v2/app/tags/list?last=${tag}>; rel="next"`;
      return Response.json({ tags: [tag] }, tag === "three" ? {} : { headers: { link } });
    });
    expect(await world.ok("registry", "tags", `${pages.address}/app`)).toBe("one\ntwo\nthree");
    expectSentence(
      await world.tspod(["registry", "tags", `${address}/${mine}/none`]),
      `${mine}/none`,
    );
    expectSentence(await world.tspod(["registry", "tags", "--format", "x", name]), "use json");
  });
});

describe("registry delete", () => {
  test("by digest: the image with every tag; once", async () => {
    for (const tag of ["1", "2"]) await push("layered", `gone:${tag}`);
    const name = `${address}/${mine}/gone`;
    const inspect = () =>
      Bun.$`skopeo inspect --raw --tls-verify=false docker://${name}:2`.quiet().nothrow();
    const raw = (await inspect()).stdout;
    const digest = `sha256:${new Bun.CryptoHasher("sha256").update(raw).digest("hex")}`;
    expect(await world.ok("registry", "delete", `${name}@${digest}`)).toBe(`${name}@${digest}`);
    expect((await inspect()).exitCode).not.toBe(0);
    expectSentence(await world.tspod(["registry", "delete", `${name}@${digest}`]), "Cannot find");
    expect(await world.ok("images", "-q")).not.toBe(""); // nothing here
  });

  test("a tag alone where the registry does so; where it does not, only when forced", async () => {
    await push("tiny", "tag:1");
    const name = `${address}/${mine}/tag`;
    const refused = await world.tspod(["registry", "delete", `${name}:1`]);
    expectSentence(
      refused,
      "alone",
      new RegExp(`tspod registry delete ${name}@sha256:[0-9a-f]{64}`),
    );
    expect(await world.ok("registry", "delete", "--force", `${name}:1`)).toStartWith(
      `${name}@sha256:`,
    );
    expectSentence(await world.tspod(["registry", "delete", `${name}:1`]), "Cannot find");
    await using able = await faultyRegistry(({ method, path }) =>
      method === "DELETE"
        ? new Response(null, { status: path.endsWith("/latest") ? 202 : 404 })
        : undefined,
    );
    const tag = `${able.address}/library/tiny:latest`;
    expect(await world.ok("registry", "delete", `docker://${tag}`)).toBe(tag);
    await using stubborn = await faultyRegistry(({ method }) =>
      method === "DELETE" ? new Response(null, { status: 405 }) : undefined,
    );
    const never = ["registry", "delete", "-f", `${stubborn.address}/library/tiny`];
    expectSentence(await world.tspod(never), "does not delete");
  });

  test("several at once: each is tried, the failures are told", async () => {
    await push("tiny", "several:1");
    const names = [`${address}/${mine}/none:1`, `${address}/${mine}/several:1`];
    const { exitCode, stdout, stderr } = await world.tspod(["registry", "delete", "-f", ...names]);
    expect([exitCode, stdout.split("\n").length]).toEqual([125, 2]);
    expect(stderr).toContain(`${mine}/none:1`);
  });
});

describe("registry referrers", () => {
  const type = "application/vnd.example.sbom";
  const entry = (artifactType: string, letter: string) => ({
    ...{ mediaType: "application/vnd.oci.image.manifest.v1+json", artifactType },
    ...{ digest: `sha256:${letter.repeat(64)}`, size: 500, annotations: { by: "me" } },
  });
  const index = (...manifests: object[]) =>
    Response.json({
      schemaVersion: 2,
      mediaType: "application/vnd.oci.image.index.v1+json",
      manifests,
    });

  test("by the API, in pages; one type, whether the registry filters or not", async () => {
    await using registry = await faultyRegistry(({ path }) => {
      if (!path.includes("/referrers/")) return undefined;
      if (path.includes("page=2")) return index(entry("application/vnd.other", "b"));
      const answer = index(entry(type, "a"));
      answer.headers.set("link", `<${path.split("?")[0]}?page=2>; rel="next"`);
      return answer;
    });
    const name = `${registry.address}/library/tiny`;
    const table = await world.ok("registry", "referrers", name);
    expect(table).toMatch(
      /^ARTIFACT TYPE +DIGEST +SIZE\napplication\/vnd.example.sbom +sha256:a+ +500B\n/,
    );
    expect(table.split("\n")).toHaveLength(3);
    const format = ["--format", "{{.Digest}} {{.Annotations.by}}"];
    const one = await world.ok("registry", "discover", "--artifact-type", type, ...format, name);
    expect(one).toBe(`sha256:${"a".repeat(64)} me`);
    expect(registry.requests.at(-1)).toContain("page=2");
  });

  test("by the tag where there is no API; none at all", async () => {
    await using registry = await faultyRegistry(({ path }) =>
      /\/manifests\/sha256-[0-9a-f]{64}$/.test(path) ? index(entry(type, "c")) : undefined,
    );
    const listed = await world.ok(
      "registry",
      "referrers",
      "--format",
      "{{.Digest}}",
      `${registry.address}/library/tiny`,
    );
    expect(listed).toBe(`sha256:${"c".repeat(64)}`);
    expect(
      await world.ok("registry", "referrers", "--format", "{{.Digest}}", `${address}/library/tiny`),
    ).toBe("");
    expectSentence(await world.tspod(["registry", "referrers", `${address}/library/none`]), "none");
  });

  test("nonsense is refused in a sentence", async () => {
    for (const answer of ["[]", "{", '{"manifests":[{}]}', '{"manifests":7}']) {
      await using registry = await faultyRegistry(({ path }) =>
        path.includes("/referrers/") ? new Response(answer) : undefined,
      );
      expectSentence(
        await world.tspod(["registry", "referrers", `${registry.address}/library/tiny`]),
        "referrers",
      );
    }
  });
});
