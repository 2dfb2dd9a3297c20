/** Registries that answer badly: one sentence that names the thing and the remedy, status 125, nothing left behind. */
import { describe, expect } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { type Fault, faultyRegistry, isBlob, isManifest } from "../support/faulty-registry.ts";
import { registryPrograms, testWith } from "../support/requirements.ts";
import { makeWorld, type Result, type World } from "../support/world.ts";

const test = testWith(...registryPrograms);

/** `tspod pull tiny` through the fault; the world must be empty afterwards. */
async function pullThrough(fault: Fault, image = "tiny"): Promise<Result & { requests: string[] }> {
  await using registry = await faultyRegistry(fault);
  await using world = await makeWorld({ registriesConf: onlyMirror(registry.address) });
  const result = await world.tspod(["pull", image], { timeoutMs: 55_000 });
  if (result.exitCode !== 0) expectNothingStored(world);
  return { ...result, requests: registry.requests };
}

/** docker.io is that address and nothing else, so that nothing is asked beyond this machine. */
function onlyMirror(address: string): string {
  return `[[registry]]\nprefix = "docker.io"\nlocation = "${address}"\ninsecure = true\n`;
}

function expectNothingStored(world: World): void {
  for (const place of ["data/layers", "data/ingest", "data/containers"]) {
    const directory = join(world.root, place);
    expect(existsSync(directory) ? readdirSync(directory) : []).toEqual([]);
  }
}

function expectSentence(result: Result, ...words: (string | RegExp)[]): void {
  expect(result.exitCode).toBe(125);
  expect(result.stdout).toBe("");
  for (const word of words) expect(result.stderr).toMatch(word);
  expect(result.stderr).not.toMatch(/\n\s+at |TypeError|undefined|\[object/);
}

describe("a registry that", () => {
  test("does not know the image", async () => {
    const result = await pullThrough(() => undefined, "no-such-image");
    expectSentence(result, "no-such-image");
  });

  test("does not know the tag", async () => {
    expectSentence(await pullThrough(() => undefined, "tiny:nine"), "nine");
  });

  test("has no image for this platform", async () => {
    const result = await pullThrough(() => undefined, "elsewhere");
    expectSentence(result, "elsewhere", "linux/s390x", /linux\/(amd64|arm64)/);
  });

  test("sends other bytes than the digest says", async () => {
    const result = await pullThrough(async (asked, through) => {
      if (!isBlob(asked)) return undefined;
      const bytes = new Uint8Array(await (await through()).arrayBuffer());
      bytes[10] = (bytes[10] ?? 0) ^ 1;
      return new Response(bytes);
    });
    expectSentence(result, /sha256:[0-9a-f]{12}/);
  });

  test("sends another manifest than was asked for by digest", async () => {
    const digest = `sha256:${"0".repeat(64)}`;
    const result = await pullThrough(
      (asked) => (isManifest(asked) ? Response.json({ schemaVersion: 2 }) : undefined),
      `tiny@${digest}`,
    );
    expectSentence(result, /sha256:0000/);
  });

  test("always cuts blobs short: the next pull goes on from there", async () => {
    let isBroken = true;
    const ranges: string[] = [];
    await using registry = await faultyRegistry((asked) => {
      if (!isBlob(asked) || asked.method !== "GET") return undefined;
      if (asked.range !== undefined) ranges.push(asked.range);
      return isBroken ? "cut" : undefined;
    });
    await using world = await makeWorld({ registriesConf: onlyMirror(registry.address) });
    expectSentence(await world.tspod(["pull", "tiny"]), "docker.io/library/tiny");
    isBroken = false;
    ranges.length = 0;
    await world.ok("pull", "-q", "tiny");
    expect(ranges.length).toBeGreaterThan(0);
    expect(readdirSync(join(world.root, "data/ingest"))).toEqual([]);
  });

  test("cuts a blob short once: the pull goes on where it was", async () => {
    let cuts = 0;
    const result = await pullThrough((asked) => {
      if (!isBlob(asked) || asked.method !== "GET" || cuts > 0) return undefined;
      cuts += 1;
      return "cut";
    });
    expect(result.exitCode).toBe(0);
    expect(result.stderr).not.toContain("Error");
    expect(cuts).toBe(1);
  });

  test("wants a login", async () => {
    const headers = { "www-authenticate": 'Basic realm="members"' };
    const result = await pullThrough(() => new Response("no", { status: 401, headers }));
    expectSentence(result, /login|auth\.json|credentials/i);
  });

  test("is asked too often, once: it waits as told", async () => {
    let refusals = 0;
    const result = await pullThrough(() => {
      refusals += 1;
      if (refusals > 1) return undefined;
      return new Response("slow down", { status: 429, headers: { "retry-after": "0" } });
    });
    expect(result.exitCode).toBe(0);
  });

  test("is asked too often, always", async () => {
    const answer = { status: 429, headers: { "retry-after": "0" } };
    const result = await pullThrough(() => new Response("slow down", answer));
    expectSentence(result, /429|too many|rate/i);
  });

  test("breaks inside", async () => {
    const result = await pullThrough(() => new Response("<html>oops</html>", { status: 500 }));
    expectSentence(result, "500");
  });

  test("sends a manifest of 100 MB", async () => {
    let sent = 0;
    const result = await pullThrough((asked) => {
      if (!isManifest(asked)) return undefined;
      const chunk = new Uint8Array(1 << 20).fill(32);
      const body = new ReadableStream({
        pull: (controller) => {
          sent += 1;
          if (sent > 100) controller.close();
          else controller.enqueue(chunk);
        },
      });
      const type = "application/vnd.oci.image.manifest.v1+json";
      return new Response(body, { headers: { "content-type": type } });
    });
    expectSentence(result, /more than \d+/);
    expect(sent).toBeLessThan(60);
  });

  test.each([
    ["not JSON", "<html>"],
    ["JSON of another kind", '{"hello":[1,2]}'],
    ["an array", "[]"],
    ["deep nesting", `${"[".repeat(100_000)}`],
    [
      "a layer with a path for a digest",
      '{"schemaVersion":2,"config":{"digest":"../../x","size":1},"layers":[]}',
    ],
  ])("sends %s as the manifest", async (_, body) => {
    const type = "application/vnd.oci.image.manifest.v1+json";
    const result = await pullThrough((asked) =>
      isManifest(asked) ? new Response(body, { headers: { "content-type": type } }) : undefined,
    );
    expectSentence(result, "tiny");
  });

  test("is not there", async () => {
    await using world = await makeWorld({ registriesConf: onlyMirror("127.0.0.1:9") });
    expectSentence(await world.tspod(["pull", "tiny"]), /127\.0\.0\.1:9|docker\.io/);
    expectNothingStored(world);
  });

  test("is one of several, the first of which is not there", async () => {
    await using registry = await faultyRegistry(() => undefined);
    const mirrors = ["127.0.0.1:9", registry.address]
      .map((location) => `[[registry.mirror]]\nlocation = "${location}"\ninsecure = true\n`)
      .join("");
    const registriesConf = `[[registry]]\nlocation = "docker.io"\n${mirrors}`;
    await using world = await makeWorld({ registriesConf });
    expect(await world.ok("run", "--rm", "tiny", "echo", "second")).toBe("second");
  });
});
